//! The bus as a stream that tells when it has left something out.

use aerolith_api::{Event, EventStream};
use aerolith_node::Events;
use futures_util::stream;
use serde_json::json;

/// Topic of the event that stands for those that a client was too slow to take.
const MISSED: &str = "api/missed";

struct Heard {
    events: Events,
    /// How many missed events the client has been told of.
    told: u64,
    /// An event that waits behind the news of those before it.
    next: Option<Event>,
}

/// Every event, and before the first one after a gap an event `api/missed` with the size of the gap.
pub(super) fn heard(events: Events) -> EventStream {
    let heard = Heard {
        events,
        told: 0,
        next: None,
    };
    Box::pin(stream::unfold(heard, |mut heard| async {
        Some((heard.next().await?, heard))
    }))
}

impl Heard {
    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.next.take() {
            return Some(event);
        }
        let event = self.events.next().await?;
        let event = Event {
            topic: event.topic,
            data: event.data,
        };
        let missed = self.events.missed();
        let gap = missed - std::mem::replace(&mut self.told, missed);
        if gap == 0 {
            return Some(event);
        }
        self.next = Some(event);
        Some(Event {
            topic: MISSED.into(),
            data: json!({ "events": gap }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aerolith_node::Bus;
    use futures_util::StreamExt as _;

    #[tokio::test]
    async fn a_slow_client_is_told_how_much_it_has_missed() {
        let bus = Bus::default();
        let events = heard(bus.subscribe("#").unwrap());
        let published = 300_u64;
        for at in 0..published {
            bus.publish(&aerolith_plugin_wire::host::Event {
                topic: "a".into(),
                data: json!(at),
            })
            .unwrap();
        }
        drop(bus);
        let all: Vec<Event> = events.collect().await;
        let (told, taken): (Vec<_>, Vec<_>) = all.iter().partition(|event| event.topic == MISSED);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].data["events"].as_u64().unwrap() + taken.len() as u64, published);
    }
}
