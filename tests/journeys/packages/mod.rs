//! What a node makes of packages when its own disk does not serve it, and what it shows of them.

mod disk;
mod showing;
