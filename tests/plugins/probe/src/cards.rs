//! The imagined cards: fully used while reserved, idle otherwise. Pure; knows neither the core nor a clock.

use aerolith_plugin::wire::accel::{Card, Cards, Release, Reservation, Reserve, Sample, Samples, Select};
use aerolith_plugin::{Code, Error, Result};
use std::collections::BTreeMap;

const MEMORY_BYTES: u64 = 1 << 30;

/// Cards in the order of their index, with their reservations.
#[derive(Debug, Default)]
pub(crate) struct Deck {
    ids: Vec<String>,
    owners: BTreeMap<String, String>,
}

impl Deck {
    /// Free cards of these ids.
    pub(crate) fn new(ids: &[String]) -> Result<Self> {
        for (position, id) in ids.iter().enumerate() {
            if id.is_empty() {
                return Err(Error::invalid("an id in `cards` is no text of at least one byte"));
            }
            if ids[..position].contains(id) {
                return Err(Error::invalid(format!("card {id} is listed twice in `cards`")));
            }
        }
        Ok(Self {
            ids: ids.to_vec(),
            owners: BTreeMap::new(),
        })
    }

    /// Takes other cards; one that stays keeps its owner.
    pub(crate) fn replace(&mut self, next: Self) {
        self.ids = next.ids;
        self.owners.retain(|id, _| self.ids.contains(id));
    }

    /// All cards.
    pub(crate) fn fingerprint(&self) -> Cards {
        let card = |(index, id): (u32, &String)| Card {
            id: id.clone(),
            kind: "probe".into(),
            index,
            model: "Probe".into(),
            memory_bytes: Some(MEMORY_BYTES),
            healthy: true,
            attributes: BTreeMap::new(),
        };
        Cards {
            cards: (0..).zip(&self.ids).map(card).collect(),
            message: String::new(),
        }
    }

    /// Readings of the cards that are asked for.
    pub(crate) fn stats(&self, request: &Select) -> Result<Samples> {
        let ids = if request.ids.is_empty() {
            &self.ids
        } else {
            &request.ids
        };
        let samples = ids
            .iter()
            .map(|id| self.known(id).map(|()| self.sample(id)))
            .collect::<Result<_>>()?;
        Ok(Samples { samples })
    }

    /// Reserves all of the cards or none.
    pub(crate) fn reserve(&mut self, request: &Reserve) -> Result<Reservation> {
        if request.instance.is_empty() {
            return Err(Error::invalid("`instance` is missing: for whom?"));
        }
        request
            .ids
            .iter()
            .try_for_each(|id| self.free_for(id, &request.instance))?;
        self.owners
            .extend(request.ids.iter().map(|id| (id.clone(), request.instance.clone())));
        let visible = ("PROBE_VISIBLE_DEVICES".into(), request.ids.join(","));
        Ok(Reservation {
            environment: [visible].into(),
            ..Reservation::default()
        })
    }

    /// Frees what an instance has.
    pub(crate) fn release(&mut self, request: &Release) {
        self.owners.retain(|_, owner| *owner != request.instance);
    }

    fn known(&self, id: &String) -> Result<()> {
        if self.ids.contains(id) {
            Ok(())
        } else {
            Err(Error::not_found(format!("no card {id}")))
        }
    }

    fn free_for(&self, id: &String, instance: &str) -> Result<()> {
        self.known(id)?;
        match self.owners.get(id) {
            Some(owner) if owner != instance => {
                Err(Error::new(Code::Busy, format!("card {id} is reserved for {owner}")))
            }
            _ => Ok(()),
        }
    }

    fn sample(&self, id: &str) -> Sample {
        let used = self.owners.contains_key(id);
        let absent = [
            ("power_watts".into(), "an imagined card has no meter".into()),
            (
                "temperature_celsius".into(),
                "an imagined card has no thermometer".into(),
            ),
        ];
        Sample {
            id: id.into(),
            utilization: Some(if used { 1.0 } else { 0.0 }),
            memory_used_bytes: Some(if used { MEMORY_BYTES } else { 0 }),
            temperature_celsius: None,
            power_watts: None,
            absent: absent.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deck(ids: &[&str]) -> Deck {
        Deck::new(&ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn reserve(instance: &str, ids: &[&str]) -> Reserve {
        Reserve {
            instance: instance.into(),
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    #[test]
    fn a_card_listed_twice_is_refused_by_name() {
        let error = Deck::new(&["sn:a".into(), "sn:a".into()]).unwrap_err();
        assert!(error.message.contains("sn:a"), "{error}");
    }

    #[test]
    fn a_reserved_card_is_used_until_it_is_released() {
        let mut deck = deck(&["sn:a", "sn:b"]);
        deck.reserve(&reserve("shop.web.1", &["sn:b"])).unwrap();
        let used = |deck: &Deck| -> Vec<_> {
            deck.stats(&Select::default())
                .unwrap()
                .samples
                .iter()
                .map(|s| s.utilization)
                .collect()
        };
        assert_eq!(used(&deck), [Some(0.0), Some(1.0)]);
        deck.release(&Release {
            instance: "shop.web.1".into(),
        });
        assert_eq!(used(&deck), [Some(0.0), Some(0.0)]);
    }

    #[test]
    fn a_card_of_another_instance_is_busy_and_nothing_is_reserved() {
        let mut deck = deck(&["sn:a", "sn:b"]);
        deck.reserve(&reserve("one", &["sn:b"])).unwrap();
        let error = deck.reserve(&reserve("two", &["sn:a", "sn:b"])).unwrap_err();
        assert_eq!(
            (error.code, &*error.message),
            (Code::Busy, "card sn:b is reserved for one")
        );
        deck.reserve(&reserve("three", &["sn:a"])).unwrap();
    }

    #[test]
    fn a_card_that_stays_keeps_its_owner() {
        let mut cards = deck(&["sn:a", "sn:b"]);
        cards.reserve(&reserve("one", &["sn:a", "sn:b"])).unwrap();
        cards.replace(deck(&["sn:b", "sn:c"]));
        assert!(cards.reserve(&reserve("two", &["sn:c"])).is_ok());
        assert!(cards.reserve(&reserve("two", &["sn:b"])).is_err());
    }
}
