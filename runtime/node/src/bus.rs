//! The bus: what happens on the node, told at most once to whoever listens at that moment. Nothing is stored.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use aerolith_plugin_wire::host::Event;
use tokio::sync::mpsc;

use crate::topic::{BadTopic, Filter, check_topic};

/// Events that wait for one subscriber before it begins to miss some.
const QUEUE: usize = 256;

/// The node's event bus. Clones share it. Publishing never waits.
#[derive(Debug, Clone, Default)]
pub struct Bus(Arc<Mutex<Vec<Subscriber>>>);

#[derive(Debug)]
struct Subscriber {
    filter: Filter,
    queue: mpsc::Sender<Event>,
    missed: Arc<AtomicU64>,
}

/// The events that one subscriber gets, from its subscription on. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Events {
    queue: mpsc::Receiver<Event>,
    missed: Arc<AtomicU64>,
}

impl Bus {
    /// Tells everybody whose filter takes the event's topic. A subscriber whose queue is full misses it.
    ///
    /// # Errors
    /// [`BadTopic::Topic`] when the topic is none.
    pub fn publish(&self, event: &Event) -> Result<(), BadTopic> {
        check_topic(&event.topic)?;
        let mut subscribers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|s| !s.filter.matches(&event.topic) || s.offer(event));
        Ok(())
    }

    /// Tells of something that happened to a part of the node. The topic is made of checked names.
    pub(crate) fn tell(&self, topic: String, data: serde_json::Value) {
        if let Err(error) = self.publish(&Event { topic, data }) {
            tracing::error!(%error, "an event of the node was lost");
        }
    }

    /// Listens from now on.
    ///
    /// # Errors
    /// [`BadTopic::Filter`] when the filter is none.
    pub fn subscribe(&self, filter: &str) -> Result<Events, BadTopic> {
        let filter = filter.parse()?;
        let (sender, queue) = mpsc::channel(QUEUE);
        let missed = Arc::new(AtomicU64::new(0));
        let mut subscribers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|s| !s.queue.is_closed());
        subscribers.push(Subscriber {
            filter,
            queue: sender,
            missed: missed.clone(),
        });
        Ok(Events { queue, missed })
    }
}

impl Subscriber {
    /// Answers whether the subscriber is still there.
    fn offer(&self, event: &Event) -> bool {
        match self.queue.try_send(event.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.missed.fetch_add(1, Relaxed);
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}

impl Events {
    /// The next event, or nothing once the bus is gone.
    pub async fn next(&mut self) -> Option<Event> {
        self.queue.recv().await
    }

    /// How many events this subscriber has missed because it read too slowly.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(topic: &str) -> Event {
        Event {
            topic: topic.into(),
            data: serde_json::json!(1),
        }
    }

    #[tokio::test]
    async fn a_subscriber_gets_what_its_filter_takes_in_order() {
        let bus = Bus::default();
        let mut events = bus.subscribe("app/+/failed").unwrap();
        for topic in ["app/a/failed", "app/a/running", "app/b/failed"] {
            bus.publish(&event(topic)).unwrap();
        }
        drop(bus);
        assert_eq!(events.next().await.unwrap().topic, "app/a/failed");
        assert_eq!(events.next().await.unwrap().topic, "app/b/failed");
        assert_eq!(events.next().await, None);
    }

    #[tokio::test]
    async fn a_slow_reader_misses_events_and_holds_nobody_up() {
        let bus = Bus::default();
        let (mut slow, other) = (bus.subscribe("#").unwrap(), bus.subscribe("#").unwrap());
        for _ in 0..QUEUE + 3 {
            bus.publish(&event("a")).unwrap();
        }
        assert_eq!((slow.missed(), other.missed()), (3, 3));
        slow.next().await.unwrap();
        bus.publish(&event("b")).unwrap();
        assert_eq!((slow.missed(), other.missed()), (3, 4));
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let bus = Bus::default();
        drop(bus.subscribe("#").unwrap());
        bus.publish(&event("a")).unwrap();
        assert_eq!(bus.0.lock().unwrap().len(), 0);
    }

    #[test]
    fn a_wildcard_is_not_published_under() {
        assert!(
            Bus::default()
                .publish(&event("a/#"))
                .unwrap_err()
                .to_string()
                .contains("`a/#`")
        );
    }
}
