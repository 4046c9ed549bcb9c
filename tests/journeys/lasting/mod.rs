//! What a node must outlive in years without a visit: boots without a network, wrong clocks, a newer daemon.

mod clock;
mod faketime;
mod kills;
mod reboot;
mod upgrade;
