//! Replacement of a running instance: beside, by hand-over, and back again when the successor fails.

use super::{Current, Slot, lock};
use crate::HostError;
use crate::lifecycle::State;
use crate::live::Live;
use crate::spec::Image;
use aerolith_plugin_wire::manifest::Replace;
use aerolith_plugin_wire::{Bytes, Code, Error};
use std::sync::Arc;
use std::time::Duration;

impl Slot {
    /// Gives the running instance a new configuration, or replaces it when it cannot take one.
    pub(crate) async fn reload(self: &Arc<Self>, config: serde_json::Value) -> Result<(), HostError> {
        let turn = self.turn().await;
        let old = std::mem::replace(&mut lock(&self.spec).config, config.clone());
        let Current::Up(live) = &*self.current.load_full() else {
            return Ok(());
        };
        let bytes = Bytes::from(config.to_string().into_bytes());
        let taken = live
            .call_within("plugin/1.reload", bytes, None, Some(self.shared.settings.reload))
            .await;
        drop(turn);
        let replaced = match taken {
            Ok(_) => return Ok(()),
            Err(Error {
                code: Code::Unimplemented,
                ..
            }) => self.replace(self.image()).await,
            Err(error) => Err(self.error("reload", error)),
        };
        replaced.inspect_err(|_| lock(&self.spec).config = old)
    }

    /// Replaces the running instance by one of another image, the way its manifest says. When that fails, the old one
    /// runs on and the error says why.
    pub(crate) async fn replace(self: &Arc<Self>, image: Image) -> Result<(), HostError> {
        let _turn = self.turn().await;
        let before = self.image();
        match &*self.current.load_full() {
            Current::Up(old) => match image.manifest.replace {
                Replace::Beside => self.beside(old, image).await?,
                Replace::Handover => self.hand_over(old, image).await?,
            },
            _ if self.is_switched_off() => self.adopt(image),
            _ => match self.bring_up(&image, b"").await {
                Ok(made) => self.went_up(&made, image),
                Err(error) => {
                    self.give_up(Duration::ZERO, &error.to_string());
                    return Err(error);
                }
            },
        }
        if before != self.image() {
            *lock(&self.previous) = Some(before);
        }
        Ok(())
    }

    async fn beside(self: &Arc<Self>, old: &Arc<Live>, image: Image) -> Result<(), HostError> {
        let made = self.bring_up(&image, b"").await?;
        self.went_up(&made, image);
        self.end(old).await;
        Ok(())
    }

    async fn hand_over(self: &Arc<Self>, old: &Arc<Live>, image: Image) -> Result<(), HostError> {
        self.put(Current::Switching);
        self.enter(State::Draining, "hands over to its successor");
        let drained = old
            .call_within("plugin/1.drain", Bytes::new(), None, Some(self.shared.settings.drain))
            .await;
        // Whatever the successor takes out of the store can be put back, should it fail.
        let left = self.descriptors.copies();
        let made = match drained {
            Ok(state) => self
                .bring_up(&image, &state)
                .await
                .map_err(|error| (error, Some(state))),
            Err(error) => Err((self.error("drain", error), None)),
        };
        match made {
            Ok(made) => {
                self.went_up(&made, image);
                self.last_words(old, "plugin/1.stop", self.shared.settings.stop).await;
                self.close(old).await;
                Ok(())
            }
            Err((error, state)) => {
                self.descriptors.restore(left);
                self.take_back(old, error, state.unwrap_or_default()).await
            }
        }
    }

    /// The successor failed: the old instance takes everything back. Answers why in any case.
    async fn take_back(self: &Arc<Self>, old: &Arc<Live>, why: HostError, state: Bytes) -> Result<(), HostError> {
        let resumed = old
            .call_within("plugin/1.resume", state, None, Some(self.shared.settings.start))
            .await;
        match resumed {
            Ok(_) => {
                self.put(Current::Up(old.clone()));
                self.enter(
                    State::Running,
                    format!("the successor failed, the former one runs on: {why}"),
                );
            }
            Err(error) => {
                self.put(Current::Down);
                self.close(old).await;
                self.give_up(
                    Duration::ZERO,
                    &format!("the successor failed ({why}), and the former one too: {error}"),
                );
            }
        }
        Err(why)
    }

    /// Back to the image before the last replacement.
    pub(crate) fn previous(&self) -> Option<Image> {
        lock(&self.previous).clone()
    }
}
