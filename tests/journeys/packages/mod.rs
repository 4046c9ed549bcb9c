//! What a node makes of packages when its own disk does not serve it, or somebody else writes there.

mod disk;
mod edited;
