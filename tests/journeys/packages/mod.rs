//! What a node makes of packages when its own disk does not serve it.

mod disk;
