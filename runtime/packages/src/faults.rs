//! What becomes of the store when its machine or its disk fails.

mod failing;
mod invariants;
mod killed;
mod machine;
mod mounted;
mod power;
mod scenarios;
mod sharing;
mod trial;
