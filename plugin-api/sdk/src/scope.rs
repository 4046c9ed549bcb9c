//! Where a piece of plugin code runs: for which instance, and inside which runtime.

use aerolith_plugin_abi::Host;
use std::cell::RefCell;
use std::sync::Arc;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Scope>>> = const { RefCell::new(None) };
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
    pub(crate) fn enter<T>(self: &Arc<Self>, run: impl FnOnce() -> T) -> T {
        let _instance = Entered::new(self.clone());
        #[cfg(feature = "rt")]
        let _runtime = self.runtime.enter();
        run()
    }

    /// The scope of the code that calls this, if it is an instance's.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(|c| c.try_borrow().ok()?.clone()).ok().flatten()
    }

    /// Ends the runtime with all that still runs in it.
    #[allow(clippy::unused_self, reason = "without `rt` there is nothing to end")]
    pub(crate) fn shut_down(&self) {
        #[cfg(feature = "rt")]
        self.runtime.shut_down();
    }
}

/// Puts the former scope back when it goes.
struct Entered(Option<Arc<Scope>>);

impl Entered {
    fn new(scope: Arc<Scope>) -> Self {
        Self(CURRENT.try_with(|c| c.replace(Some(scope))).ok().flatten())
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let former = self.0.take();
        // A thread that is ending has no scope any more.
        let _ = CURRENT.try_with(|c| c.replace(former));
    }
}

#[cfg(feature = "rt")]
mod runtime {
    use super::{CURRENT, Scope};
    use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
    use std::time::Duration;
    use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};

    /// How long a drop waits for workers that do not come to an end.
    const PATIENCE: Duration = Duration::from_secs(2);

    /// A runtime that belongs to one instance and ends with it.
    #[derive(Default)]
    pub(super) struct Own {
        handle: OnceLock<Handle>,
        runtime: Mutex<Option<Runtime>>,
    }

    impl Own {
        pub(super) fn start(&self, scope: &Arc<Scope>, workers: usize) -> std::io::Result<()> {
            let weak: Weak<Scope> = Arc::downgrade(scope);
            let runtime = Builder::new_multi_thread()
                .worker_threads(workers.max(1))
                .thread_name(scope.instance.clone())
                .on_thread_start(move || CURRENT.with(|c| *c.borrow_mut() = weak.upgrade()))
                .on_thread_stop(|| CURRENT.with(|c| *c.borrow_mut() = None))
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
            let ending = std::thread::spawn(move || runtime.shutdown_timeout(PATIENCE));
            // That thread does nothing that could panic.
            let _ = ending.join();
        }
    }
}
