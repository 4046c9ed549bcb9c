//! `plugin/1`: what every instance answers, whatever else it offers.

crate::capability! {
    "plugin/1" stable
    /// The life of an instance, from the core's point of view.
    pub trait Lifecycle {
        /// Begins the work. Calls of other capabilities come only afterwards.
        call start();
        /// Takes a new configuration (JSON) while running; `Unimplemented` makes the core replace the instance.
        call reload(raw);
        /// Stops taking work and finishes what is under way; answers the state that a successor needs. Descriptors are
        /// left in the descriptor store.
        call drain() -> raw;
        /// Takes everything back after a drain whose successor failed.
        call resume(raw);
        /// Ends the work. Nothing of the instance runs afterwards.
        call stop();
    }
}
