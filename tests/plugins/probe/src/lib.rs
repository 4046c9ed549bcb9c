//! An accelerator monitor for tests: well behaved by default, and misbehaving exactly as its configuration says.
//!
//! Its cards are imagined. It knows nothing of the core beyond what any vendor's plugin knows.

mod cards;
mod config;
mod misbehave;
mod talk;

pub use config::{Config, Place};

use aerolith_plugin::wire::accel::{AcceleratorMonitor, Cards, Release, Reservation, Reserve, Samples, Select};
use aerolith_plugin::{Context, Plugin, Result, export_plugin};
use misbehave::Misbehaviour;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The monitor.
pub struct Probe {
    context: Context,
    cards: Mutex<cards::Deck>,
    misbehaviour: Misbehaviour,
    config: Config,
}

impl Probe {
    fn cards(&self) -> MutexGuard<'_, cards::Deck> {
        self.cards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plugin for Probe {
    type Config = Config;

    fn create(context: Context, config: Config) -> Result<Self> {
        let misbehaviour = Misbehaviour::of(&config);
        let cards = Mutex::new(cards::Deck::new(&config.cards)?);
        misbehaviour.reach(Place::Create);
        Ok(Self {
            context,
            cards,
            misbehaviour,
            config,
        })
    }

    async fn start(&self) -> Result<()> {
        self.misbehaviour.pass(Place::Start).await;
        let misbehaviour = self.misbehaviour.clone();
        self.context.spawn(async move { misbehaviour.pass(Place::Task).await });
        talk::begin(&self.context, &self.config).await
    }

    /// Takes the cards alone; what is reserved of them stays so.
    async fn reload(&self, config: Config) -> Result<()> {
        let next = cards::Deck::new(&config.cards)?;
        self.cards().replace(next);
        Ok(())
    }

    async fn drain(&self) -> Result<Vec<u8>> {
        self.misbehaviour.pass(Place::Drain).await;
        Ok(Vec::new())
    }

    async fn stop(&self) -> Result<()> {
        self.misbehaviour.pass(Place::Stop).await;
        Ok(())
    }
}

impl AcceleratorMonitor for Probe {
    async fn fingerprint(&self) -> Result<Cards> {
        self.misbehaviour.pass(Place::Fingerprint).await;
        self.misbehaviour.allocate();
        let cards = self.cards().fingerprint();
        self.context.gauge(
            "probe_cards",
            f64::from(u32::try_from(cards.cards.len()).unwrap_or(u32::MAX)),
            &[],
        );
        Ok(cards)
    }

    async fn stats(&self, request: Select) -> Result<Samples> {
        if let Some(method) = &self.config.call_other {
            talk::call_other(&self.context, method).await?;
        }
        self.cards().stats(&request)
    }

    async fn reserve(&self, request: Reserve) -> Result<Reservation> {
        self.cards().reserve(&request)
    }

    async fn release(&self, request: Release) -> Result<()> {
        self.cards().release(&request);
        Ok(())
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.misbehaviour.reach(Place::Drop);
    }
}

export_plugin! {
    plugin: Probe, name: "probe", vendor: "Aerolith", provides: [accel],
    permissions: ["call arch/1", "publish probe/#", "subscribe probe/#", "subscribe test/#", "kv"],
}

#[cfg(test)]
mod tests;
