//! What the probe says to the core, and hears from it.

use crate::Config;
use aerolith_plugin::tracing::{debug, error, info, trace, warn};
use aerolith_plugin::wire::host::{Entry, Event, Key, Subscribe};
use aerolith_plugin::wire::payload::Blob;
use aerolith_plugin::wire::stream;
use aerolith_plugin::{Bytes, Context, Error, Result, Service};
use serde_json::json;
use std::time::Duration;

/// Begins whatever the configuration asks for.
pub(crate) async fn begin(context: &Context, config: &Config) -> Result<()> {
    if let Some(text) = &config.log {
        log(text);
    }
    if let Some(key) = &config.kv {
        count_start(context, key).await?;
    }
    if let Some(filter) = &config.subscribe {
        context.spawn(listen(context.clone(), filter.clone()));
    }
    if let Some(every) = config.tick_ms {
        context.spawn(tick(context.clone(), Duration::from_millis(every)));
    }
    if let Some(topic) = &config.publish {
        context.publish(topic, json!({ "from": context.instance() }))?;
    }
    Ok(())
}

/// Calls a method of another capability with an empty request.
pub(crate) async fn call_other(context: &Context, method: &str) -> Result<()> {
    let reply = context.core().call(method, Bytes::new(), None).await?;
    info!(method, reply = %String::from_utf8_lossy(&reply), "called");
    Ok(())
}

fn log(text: &str) {
    error!(level = 1, "{text}");
    warn!(level = 2, "{text}");
    info!(level = 3, "{text}");
    debug!(level = 4, "{text}");
    trace!(level = 5, "{text}");
}

/// The n-th start of the instance, as its own key/value space remembers it.
async fn count_start(context: &Context, key: &str) -> Result<()> {
    let host = context.host();
    let before = host
        .kv_get(&Key { key: key.into() })
        .await?
        .value
        .map_or(Ok(0), |value| number(key, &value))?;
    let starts = before + 1;
    host.kv_put(&Entry {
        key: key.into(),
        value: Blob(starts.to_string().into_bytes()),
    })
    .await?;
    context.gauge("probe_starts", f64::from(starts), &[("key", key)]);
    Ok(())
}

fn number(key: &str, value: &Blob) -> Result<u32> {
    let text = String::from_utf8_lossy(&value.0);
    text.parse()
        .map_err(|e| Error::invalid(format!("key {key} holds `{text}`, which is no count of starts: {e}")))
}

async fn listen(context: Context, filter: String) {
    let (sink, mut items) = stream::channel::<Event>(16);
    let client = context.clone();
    context.spawn(async move {
        if let Err(e) = client.host().subscribe(&Subscribe { filter }, sink).await {
            warn!(error = %e, "the subscription ended");
        }
    });
    while let Ok(Some(event)) = items.next().await {
        let heard = json!({ "topic": event.topic, "data": event.data });
        if let Err(e) = context.publish("probe/heard", heard) {
            warn!(error = %e, "an event was not answered");
        }
    }
}

async fn tick(context: Context, every: Duration) {
    for number in 1_u64.. {
        context.sleep(every).await;
        if context.publish("probe/tick", json!({ "number": number })).is_err() {
            return;
        }
    }
}
