//! A plugin for tests that owns a file under an exclusive lock and writes a line into it every few milliseconds; the
//! locked descriptor itself is handed over, so that no second owner can step in between.
//!
//! Lines are `GENERATION NUMBER`, and the number goes on over all generations: a line that is lost or written twice is
//! seen in the file.

mod log;

use aerolith_plugin::tracing::error;
use aerolith_plugin::wire::host::Failure;
use aerolith_plugin::{Code, Context, Error, Plugin, Result, export_plugin};
use log::{Log, State, Writer};
use serde::Deserialize;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Name of the locked file in the descriptor store.
const LOCKED: &str = "locked";

/// Configuration of the locker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// The file; it is created when it does not exist.
    pub file: PathBuf,
    /// Milliseconds between two lines.
    #[serde(default = "ten")]
    pub tick_ms: u64,
}

const fn ten() -> u64 {
    10
}

/// The locker.
pub struct Locker {
    context: Context,
    every: Duration,
    log: Arc<Mutex<Log>>,
}

impl Plugin for Locker {
    type Config = Config;

    fn create(context: Context, config: Config) -> Result<Self> {
        let inherited = State::read(context.inherited())?;
        let file = match inherited {
            Some(_) => context
                .take(LOCKED)?
                .map(File::from)
                .ok_or_else(|| missing(&config.file))?,
            None => opened(&config.file)?,
        };
        locked(&file, &config.file)?;
        let log = Arc::new(Mutex::new(Log::new(file, inherited)));
        Ok(Self {
            context,
            every: Duration::from_millis(config.tick_ms),
            log,
        })
    }

    async fn start(&self) -> Result<()> {
        self.write();
        Ok(())
    }

    async fn drain(&self) -> Result<Vec<u8>> {
        let mut log = lock(&self.log);
        log.close();
        self.context.keep(LOCKED, log.descriptor())?;
        log.state().write()
    }

    /// The lock was never let go, so what lies in the store, unless a successor took it, is only a duplicate.
    async fn resume(&self, _: &[u8]) -> Result<()> {
        self.context.take(LOCKED)?;
        self.write();
        Ok(())
    }

    async fn stop(&self) -> Result<()> {
        lock(&self.log).close();
        Ok(())
    }
}

impl Locker {
    fn write(&self) {
        if let Some(writer) = lock(&self.log).open() {
            self.context
                .spawn(tick(self.context.clone(), self.log.clone(), writer, self.every));
        }
    }
}

async fn tick(context: Context, log: Arc<Mutex<Log>>, writer: Writer, every: Duration) {
    loop {
        context.sleep(every).await;
        let written = lock(&log).append(writer);
        match written {
            Ok(true) => {}
            Ok(false) => return,
            Err(e) => {
                error!(error = %e, "a line could not be written");
                // Nobody is left to tell when even this fails.
                let _ = context.host().failed(&Failure {
                    message: e.to_string(),
                    panicked: false,
                });
                return;
            }
        }
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

fn opened(path: &Path) -> Result<File> {
    let opened = File::options().append(true).create(true).open(path);
    opened.map_err(|e| Error::io(format!("{}: {e}", path.display())))
}

/// Locks the open file; one that came over with its lock stays locked.
fn locked(file: &File, path: &Path) -> Result<()> {
    file.try_lock().map_err(|e| match e {
        TryLockError::WouldBlock => Error::new(Code::Busy, format!("{} is locked by somebody else", path.display())),
        TryLockError::Error(e) => Error::io(format!("{}: {e}", path.display())),
    })
}

fn missing(path: &Path) -> Error {
    Error::not_found(format!(
        "the predecessor left no descriptor `{LOCKED}` of {}",
        path.display()
    ))
}

export_plugin! {
    plugin: Locker, name: "locker", vendor: "Aerolith", provides: [],
    replace: handover, permissions: ["descriptors"],
}

#[cfg(test)]
mod tests;
