//! A secret that is known wherever it is seen, and a log to look for it in.

use std::io;
use std::sync::{Arc, Mutex};

pub(crate) const CANARY: &str = "canary-in-the-mine-4711";
/// The same as it is written in JSON.
const CODED: &str = "Y2FuYXJ5LWluLXRoZS1taW5lLTQ3MTE=";

#[derive(Clone, Default)]
pub(crate) struct Log(pub(crate) Arc<Mutex<Vec<u8>>>);

impl Log {
    /// What writes everything that is traced into it.
    pub(crate) fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + 'static {
        let writer = self.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn shows(bytes: &[u8]) -> bool {
    [CANARY, CODED].into_iter().any(|canary| {
        let canary = canary.as_bytes();
        bytes.windows(canary.len()).any(|window| window == canary)
    })
}
