//! What a plugin logs and measures reaches the core with the plugin's name and the instance's.

use crate::support::build::plugin;
use crate::support::core::House;
use aerolith_host::Isolation;
use serde_json::json;
use std::io;
use std::sync::{Arc, Mutex, Once, PoisonError};

/// Everything that is logged in this process.
#[derive(Clone)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// The one log of this process, at every level.
    fn all() -> Self {
        static LINES: std::sync::LazyLock<Lines> = std::sync::LazyLock::new(|| Lines(Arc::default()));
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let lines = LINES.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_ansi(false);
            subscriber.with_writer(move || lines.clone()).init();
        });
        LINES.clone()
    }

    fn of(&self, instance: &str) -> Vec<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("instance=\"{instance}\"");
        String::from_utf8_lossy(&bytes)
            .lines()
            .filter(|line| line.contains(&name))
            .map(Into::into)
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn log_lines_arrive_at_their_level_with_plugin_and_instance_from_library_and_child() {
    let lines = Lines::all();
    for (instance, isolation) in [("talker-here", Isolation::None), ("talker-child", Isolation::Process)] {
        let house = House::new();
        house
            .start(instance, &plugin("probe"), isolation, json!({"log": "a word"}))
            .await
            .unwrap();
        // The child's lines travel on the same connection before this answer does.
        house.monitor(instance).fingerprint().await.unwrap();
        let said: Vec<_> = lines
            .of(instance)
            .into_iter()
            .filter(|line| line.contains("a word"))
            .collect();
        for level in ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"] {
            assert!(
                said.iter().any(|line| line.contains(level)),
                "{instance}: no {level} in {said:?}"
            );
        }
        assert!(said.iter().all(|line| line.contains("plugin=\"probe\"")), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_arrive_with_the_instance() {
    for isolation in [Isolation::None, Isolation::Process] {
        let house = House::new();
        house
            .start("measuring", &plugin("probe"), isolation, json!({}))
            .await
            .unwrap();
        house.monitor("measuring").fingerprint().await.unwrap();
        let cards = |told: &crate::support::core::Told| {
            told.metrics
                .iter()
                .find(|(i, m)| i == "measuring" && m.name == "probe_cards")
                .map(|(_, m)| m.value)
        };
        assert!((house.core.until("the metric", cards).await - 2.0).abs() < f64::EPSILON);
    }
}
