//! The plugin's `tracing` events and panics, on their way to the core's log.
//!
//! A library has a `tracing` of its own, whose events nobody would hear; and a panic hook of its own.

use crate::guard;
use crate::scope::current;
use aerolith_plugin_abi::RStr;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing_core::field::{Field, Visit};
use tracing_core::{Event, Level, Metadata, Subscriber, span};

/// Sets up this library's log and panic hook, once. Not for a plugin that is linked in: it shares the core's.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let dispatch = tracing_core::Dispatch::new(Forward {
            spans: AtomicU64::new(1),
        });
        // It fails only when the plugin has set a subscriber itself, which then is its own wish.
        let _ = tracing_core::dispatcher::set_global_default(dispatch);
        std::panic::set_hook(Box::new(|panic| {
            let message = guard::payload_text(panic.payload());
            let message = match panic.location() {
                Some(place) => format!("{message} (at {place})"),
                None => message,
            };
            write(1, "panic", &message, "");
            guard::saw(message);
        }));
    });
}

fn write(level: u8, target: &str, message: &str, fields: &str) {
    if let Some(host) = current() {
        let text = RStr::from_str;
        (host.table.log())(host.ctx, level, text(target), text(message), text(fields));
    }
}

struct Forward {
    spans: AtomicU64,
}

const fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// The most verbose level that the core's log wants now. A host of API 0.1 cannot say, and is told everything down to
/// debug.
fn wanted() -> u8 {
    let Some(host) = current() else { return 0 };
    host.table.level().map_or(number(Level::DEBUG), |level| level(host.ctx))
}

impl Subscriber for Forward {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        number(*metadata.level()) <= wanted()
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let fields = if line.fields.is_empty() {
            String::new()
        } else {
            serde_json::Value::Object(line.fields).to_string()
        };
        let metadata = event.metadata();
        write(number(*metadata.level()), metadata.target(), &line.message, &fields);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: serde_json::Map<String, serde_json::Value>,
}

impl Line {
    fn put(&mut self, field: &Field, value: impl Into<serde_json::Value>) {
        self.fields.insert(field.name().into(), value.into());
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.put(field, format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = value.into();
        } else {
            self.put(field, value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
}
