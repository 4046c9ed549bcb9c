//! A small monitor whose file is kept from every minor of the plugin API: old files must load on new hosts for ever.

use aerolith_plugin::wire::accel::{
    AcceleratorMonitor, Card, Cards, Release, Reservation, Reserve, Sample, Samples, Select,
};
use aerolith_plugin::{Context, Error, Plugin, Result, export_plugin, tracing};
use std::time::Duration;

/// What the operator says.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What the one card is called.
    model: String,
}

/// A monitor of one card.
pub struct Golden {
    context: Context,
    config: Config,
}

impl Plugin for Golden {
    type Config = Config;

    fn create(context: Context, config: Config) -> Result<Self> {
        tracing::info!(model = config.model, "golden monitor made");
        Ok(Self { context, config })
    }

    async fn start(&self) -> Result<()> {
        self.context.sleep(Duration::from_millis(1)).await;
        self.context.gauge("accelerator_up", 1.0, &[("device", "sn:golden")]);
        Ok(())
    }
}

impl AcceleratorMonitor for Golden {
    async fn fingerprint(&self) -> Result<Cards> {
        let card = Card {
            id: "sn:golden".into(),
            kind: "golden".into(),
            model: self.config.model.clone(),
            ..Card::default()
        };
        Ok(Cards {
            cards: vec![Card { healthy: true, ..card }],
            message: String::new(),
        })
    }

    async fn stats(&self, select: Select) -> Result<Samples> {
        let known = |id: &String| id == "sn:golden";
        if let Some(id) = select.ids.iter().find(|id| !known(id)) {
            return Err(Error::not_found(format!("no card `{id}`")));
        }
        let sample = Sample {
            id: "sn:golden".into(),
            utilization: Some(0.5),
            ..Sample::default()
        };
        Ok(Samples { samples: vec![sample] })
    }

    async fn reserve(&self, _: Reserve) -> Result<Reservation> {
        Ok(Reservation::default())
    }

    async fn release(&self, _: Release) -> Result<()> {
        Ok(())
    }
}

export_plugin! { plugin: Golden, name: "golden", vendor: "Aerolith", provides: [accel], permissions: ["kv"] }
