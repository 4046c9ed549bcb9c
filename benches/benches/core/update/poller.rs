//! Asks a port every millisecond who answers.

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) struct Poller {
    seen: Arc<Mutex<Vec<(Instant, String)>>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// The answers, and when each came.
pub(crate) struct Seen(Vec<(Instant, String)>);

impl Poller {
    /// Begins to ask, and has had an answer.
    pub(crate) fn start(port: u16) -> Self {
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (answers, stopped) = (seen.clone(), stop.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let asked = Instant::now();
                if let Some(answer) = ask(port) {
                    answers.lock().unwrap().push((Instant::now(), answer));
                }
                thread::park_timeout(PERIOD.saturating_sub(asked.elapsed()));
            }
        });
        while seen.lock().unwrap().is_empty() {
            thread::park_timeout(PERIOD);
        }
        Self { seen, stop, thread }
    }

    /// When somebody of this name answered first.
    pub(crate) fn saw(&self, name: &str) -> Option<Instant> {
        first(&self.seen.lock().unwrap(), name)
    }

    pub(crate) fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        Seen(std::mem::take(&mut self.seen.lock().unwrap()))
    }
}

impl Seen {
    pub(crate) fn first(&self, name: &str) -> Instant {
        first(&self.0, name).unwrap()
    }

    /// The longest time between two answers.
    pub(crate) fn gap(&self) -> Duration {
        let gaps = self.0.windows(2).map(|two| two[1].0 - two[0].0);
        gaps.max().unwrap_or_default()
    }
}

fn first(seen: &[(Instant, String)], name: &str) -> Option<Instant> {
    seen.iter().find(|(_, answer)| answer == name).map(|(at, _)| *at)
}

/// What is answered at a port; nothing when nobody is there, or goes away without a word.
fn ask(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    (!answer.is_empty()).then_some(answer)
}
