//! Every suite on services that are wrong in one way each: the right check fails, and no other. A suite that could not
//! fail would prove nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod accel;
mod arch;
mod calls;
mod fetcher;

use aerolith_plugin_testkit::{Report, engine, life};
use aerolith_plugin_wire::{Bytes, Reply, Result, Sent, Service};
use std::sync::Arc;

/// Takes everything and answers nothing.
struct YesMan;

impl Service for YesMan {
    fn call(&self, _: &str, _: Bytes, _: Option<aerolith_plugin_wire::SinkBox>) -> Reply {
        Box::pin(async { Ok(Bytes::new()) })
    }

    fn send(&self, _: &str, _: &[u8]) -> Result<Sent> {
        Ok(Sent::Accepted)
    }
}

/// The report must have failures of exactly these checks.
fn fails_only(report: &Report, expected: &[&str]) {
    let failed: Vec<_> = report.failed.iter().map(|f| f.name).collect();
    assert_eq!(failed, expected, "{report}");
}

#[tokio::test]
async fn one_that_takes_everything_does_not_live_as_a_plugin_does() {
    let report = life::run("{}", async |_| Ok(Arc::new(YesMan) as Arc<dyn Service>)).await;
    let expected = [
        "a configuration that is no JSON is refused as invalid",
        "an unknown method is unimplemented, by name",
        "an unknown item is unimplemented",
        "a reload that is no JSON is refused and harms nothing",
        "two instances live side by side",
    ];
    fails_only(&report, &expected);
}

#[tokio::test]
async fn one_that_takes_everything_is_no_engine() {
    let directory = tempfile::tempdir().unwrap();
    let service: Arc<dyn Service> = Arc::new(YesMan);
    let report = engine::run(&service, directory.path()).await;
    assert_eq!((report.passed.len(), report.failed.len()), (0, 16), "{report}");
}
