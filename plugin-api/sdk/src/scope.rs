//! Where a piece of plugin code runs: for which instance, and inside which runtime.

use aerolith_plugin_abi::Host;
use std::cell::Cell;
use std::sync::Arc;

thread_local! {
    static CURRENT: Cell<Option<Host>> = const { Cell::new(None) };
}

/// The host as the instance sees it whose code calls this; nothing on a thread that the plugin started by itself.
pub(crate) fn current() -> Option<Host> {
    CURRENT.try_with(Cell::get).ok().flatten()
}

/// One instance's identity and runtime.
pub(crate) struct Scope {
    host: Host,
    instance: String,
    #[cfg(feature = "rt")]
    runtime: runtime::Own,
}

impl Scope {
    /// A scope for an instance; with feature `rt`, its runtime of so many workers is started.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    #[cfg_attr(not(feature = "rt"), allow(unused_variables))]
    pub(crate) fn new(host: Host, instance: &str, workers: usize) -> std::io::Result<Arc<Self>> {
        let scope = Arc::new(Self {
            host,
            instance: instance.to_owned(),
            #[cfg(feature = "rt")]
            runtime: runtime::Own::default(),
        });
        #[cfg(feature = "rt")]
        scope.runtime.start(&scope, workers)?;
        Ok(scope)
    }

    pub(crate) const fn host(&self) -> Host {
        self.host
    }

    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    /// Runs a piece of the plugin's code for this instance.
    pub(crate) fn enter<T>(&self, run: impl FnOnce() -> T) -> T {
        let _instance = Entered::new(self.host);
        #[cfg(feature = "rt")]
        let _runtime = self.runtime.enter();
        run()
    }

    /// Ends the runtime with all that still runs in it.
    #[allow(clippy::unused_self, reason = "without `rt` there is nothing to end")]
    pub(crate) fn shut_down(&self) {
        #[cfg(feature = "rt")]
        self.runtime.shut_down();
    }
}

/// Puts the former instance back when it goes.
struct Entered(Option<Host>);

impl Entered {
    fn new(host: Host) -> Self {
        Self(CURRENT.try_with(|current| current.replace(Some(host))).ok().flatten())
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // A thread that is ending has no instance any more.
        let _ = CURRENT.try_with(|current| current.set(self.0));
    }
}

#[cfg(feature = "rt")]
mod runtime {
    use super::{CURRENT, Scope};
    use std::sync::{Arc, Mutex, OnceLock, PoisonError};
    use std::time::Duration;
    use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};

    /// How long a drop waits for workers that do not come to an end.
    const PATIENCE: Duration = Duration::from_secs(2);
    /// Threads for file work go after this much idleness, as the daemon's own do.
    const IDLE_THREAD: Duration = Duration::from_secs(1);

    /// A runtime that belongs to one instance and ends with it.
    #[derive(Default)]
    pub(super) struct Own {
        handle: OnceLock<Handle>,
        runtime: Mutex<Option<Runtime>>,
    }

    /// Whoever drops the last of an instance may stand inside another runtime of the same tokio, where only a shutdown
    /// that does not wait is allowed. An instance that was made by the core was shut down patiently before.
    impl Drop for Own {
        fn drop(&mut self) {
            if let Some(runtime) = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
                runtime.shutdown_background();
            }
        }
    }

    impl Own {
        pub(super) fn start(&self, scope: &Arc<Scope>, workers: usize) -> std::io::Result<()> {
            let host = scope.host;
            let runtime = Builder::new_multi_thread()
                .worker_threads(workers.max(1))
                .thread_name(scope.instance.clone())
                .thread_keep_alive(IDLE_THREAD)
                .on_thread_start(move || CURRENT.set(Some(host)))
                .enable_all()
                .build()?;
            let _ = self.handle.set(runtime.handle().clone());
            *self.runtime.lock().unwrap_or_else(PoisonError::into_inner) = Some(runtime);
            Ok(())
        }

        pub(super) fn enter(&self) -> Option<EnterGuard<'_>> {
            self.handle.get().map(Handle::enter)
        }

        pub(super) fn shut_down(&self) {
            let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(runtime) = runtime else { return };
            // On a thread of its own: where the plugin is linked in, this one may belong to a runtime of the same tokio,
            // which does not let another be shut down on it.
            let held = Arc::new(Mutex::new(Some(runtime)));
            let take = |held: &Mutex<Option<Runtime>>| held.lock().unwrap_or_else(PoisonError::into_inner).take();
            let theirs = held.clone();
            let ending = std::thread::Builder::new().spawn(move || {
                if let Some(runtime) = take(&theirs) {
                    runtime.shutdown_timeout(PATIENCE);
                }
            });
            match ending {
                // That thread does nothing that could panic.
                Ok(ending) => drop(ending.join()),
                Err(_) => drop(take(&held).map(Runtime::shutdown_background)),
            }
        }
    }
}
