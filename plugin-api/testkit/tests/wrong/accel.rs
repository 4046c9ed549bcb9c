//! A monitor with one fault.

use crate::fails_only;
use aerolith_plugin_testkit::accel;
use aerolith_plugin_wire::accel::{
    AcceleratorMonitor, Card, Cards, Dispatch, Release, Reservation, Reserve, Sample, Samples, Select,
};
use aerolith_plugin_wire::{Error, Result, Service};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    IdWithoutScheme,
    SameIndex,
    NewIds,
    OneSampleTooFew,
    StatsOfAllAlways,
    Percent,
    ZeroForAbsent,
    UnknownIdSampled,
    UnknownIdUnnamed,
    UnknownIdReserved,
    HalfReserved,
    Release,
}

struct Monitor {
    fault: Fault,
    asked: AtomicU32,
    owners: Mutex<Vec<(String, String)>>,
}

impl Monitor {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn ids(&self) -> Vec<String> {
        let asked = if self.is(Fault::NewIds) {
            self.asked.fetch_add(1, Ordering::Relaxed)
        } else {
            0
        };
        let first = if self.is(Fault::IdWithoutScheme) {
            "a".to_owned()
        } else {
            format!("sn:a{asked}")
        };
        vec![first, "sn:b".into()]
    }

    fn known(&self, id: &String) -> Result<()> {
        let subject = if self.is(Fault::UnknownIdUnnamed) { "such" } else { id };
        if self.ids().contains(id) {
            Ok(())
        } else {
            Err(Error::not_found(format!("no card {subject}")))
        }
    }

    fn sample(&self, id: &str) -> Sample {
        let mut sample = Sample {
            id: id.into(),
            utilization: Some(0.5),
            ..Sample::default()
        };
        sample.absent.insert("power_watts".into(), "no meter".into());
        if self.is(Fault::Percent) {
            sample.utilization = Some(50.0);
        }
        if self.is(Fault::ZeroForAbsent) {
            sample.power_watts = Some(0.0);
        }
        sample
    }
}

impl AcceleratorMonitor for Monitor {
    async fn fingerprint(&self) -> Result<Cards> {
        let index = |position| if self.is(Fault::SameIndex) { 0 } else { position };
        let card = |(position, id)| Card {
            id,
            kind: "wrong".into(),
            index: index(position),
            ..Card::default()
        };
        Ok(Cards {
            cards: (0..).zip(self.ids()).map(card).collect(),
            message: String::new(),
        })
    }

    async fn stats(&self, request: Select) -> Result<Samples> {
        let mut ids = if request.ids.is_empty() {
            self.ids()
        } else {
            request.ids.clone()
        };
        if !self.is(Fault::UnknownIdSampled) {
            ids.iter().try_for_each(|id| self.known(id))?;
        }
        if self.is(Fault::StatsOfAllAlways) {
            ids = self.ids();
        }
        if self.is(Fault::OneSampleTooFew) && request.ids.is_empty() {
            ids.pop();
        }
        Ok(Samples {
            samples: ids.iter().map(|id| self.sample(id)).collect(),
        })
    }

    async fn reserve(&self, request: Reserve) -> Result<Reservation> {
        let mut owners = self.owners.lock().unwrap();
        for id in &request.ids {
            if !self.is(Fault::UnknownIdReserved) {
                self.known(id).inspect_err(|_| {
                    if !self.is(Fault::HalfReserved) {
                        owners.retain(|(_, owner)| *owner != request.instance);
                    }
                })?;
            }
            if owners
                .iter()
                .any(|(taken, owner)| taken == id && *owner != request.instance)
            {
                return Err(Error::new(
                    aerolith_plugin_wire::Code::Busy,
                    format!("card {id} is taken"),
                ));
            }
            owners.push((id.clone(), request.instance.clone()));
        }
        Ok(Reservation::default())
    }

    async fn release(&self, request: Release) -> Result<()> {
        if !self.is(Fault::Release) {
            self.owners
                .lock()
                .unwrap()
                .retain(|(_, owner)| *owner != request.instance);
        }
        Ok(())
    }
}

async fn suite_of(fault: Fault, expected: &[&str]) {
    let monitor = Monitor {
        fault,
        asked: AtomicU32::new(0),
        owners: Mutex::default(),
    };
    let service: Arc<dyn Service> = Arc::new(Dispatch(Arc::new(monitor)));
    fails_only(&accel::run(&service).await, expected);
}

#[tokio::test]
async fn a_monitor_without_a_fault_passes() {
    suite_of(Fault::None, &[]).await;
}

#[tokio::test]
async fn a_fault_of_fingerprint_is_found() {
    suite_of(
        Fault::IdWithoutScheme,
        &["every card has an id of its own, with its scheme"],
    )
    .await;
    suite_of(
        Fault::SameIndex,
        &["cards have a kind, and an index of their own within it"],
    )
    .await;
    let monitor = Monitor {
        fault: Fault::NewIds,
        asked: AtomicU32::new(0),
        owners: Mutex::default(),
    };
    let service: Arc<dyn Service> = Arc::new(Dispatch(Arc::new(monitor)));
    let report = accel::run(&service).await;
    assert!(
        report.failed.iter().any(|f| f.name == "the same cards are found again"),
        "{report}"
    );
}

#[tokio::test]
async fn a_fault_of_stats_is_found() {
    suite_of(Fault::OneSampleTooFew, &["stats without ids are of every card"]).await;
    suite_of(Fault::StatsOfAllAlways, &["stats of one card are of that card alone"]).await;
    suite_of(Fault::Percent, &["readings are credible or absent"]).await;
    suite_of(Fault::ZeroForAbsent, &["readings are credible or absent"]).await;
    suite_of(Fault::UnknownIdSampled, &["stats of an unknown id name it"]).await;
}

#[tokio::test]
async fn a_fault_of_reservations_is_found() {
    let unnamed = [
        "stats of an unknown id name it",
        "a reservation of an unknown id names it",
    ];
    suite_of(Fault::UnknownIdUnnamed, &unnamed).await;
    suite_of(Fault::UnknownIdReserved, &["a reservation of an unknown id names it"]).await;
    suite_of(Fault::HalfReserved, &["a reservation of an unknown id names it"]).await;
    let left = [
        "reserving twice answers the same",
        "what is released can be reserved by another",
    ];
    suite_of(Fault::Release, &left).await;
}
