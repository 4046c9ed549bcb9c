//! The output of an instance, through its engine.

use aerolith_plan::{InstanceId, InvalidInstanceId};
use aerolith_plugin_wire::{Bytes, Error, engine, stream};
use tokio::task::AbortHandle;

use super::Node;
use crate::plugins::{self, NoProvider};

/// Pieces of output that wait for a slow reader.
const PIECES: usize = 16;

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// No name of an instance.
    #[error(transparent)]
    Name(#[from] InvalidInstanceId),
    /// No such instance.
    #[error("there is no instance `{wanted}`; there are: {known}")]
    NotFound {
        /// The instance.
        wanted: InstanceId,
        /// Those of its application.
        known: String,
    },
    /// Its engine is not there.
    #[error(transparent)]
    NoEngine(#[from] NoProvider),
}

/// The output of an instance as it comes. Dropping it ends the delivery.
pub struct Logs {
    items: stream::Items<Bytes>,
    delivery: AbortHandle,
}

impl Logs {
    /// The next piece; nothing at the end, which with `follow` never comes.
    ///
    /// # Errors
    /// What the engine answered.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.items.next_raw().await?.map(|bytes| bytes.as_slice().to_vec()))
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.delivery.abort();
    }
}

impl Node {
    /// What an instance (`application.service.index`) has written to its standard output and error: the last `tail`
    /// lines, or all; with `follow` also what it will write.
    ///
    /// # Errors
    /// [`LogsError`].
    pub async fn logs(&self, instance: &str, tail: Option<u64>, follow: bool) -> Result<Logs, LogsError> {
        let wanted: InstanceId = instance.parse()?;
        let works = &self.0.works;
        let all = works.supervisor.all();
        let Some(watched) = all.iter().find(|watched| watched.run.instance == wanted) else {
            let same = all
                .iter()
                .map(|w| &w.run.instance)
                .filter(|id| id.service.application == wanted.service.application);
            let known: Vec<String> = same.map(ToString::to_string).collect();
            let known = if known.is_empty() {
                "none of this application".into()
            } else {
                known.join(", ")
            };
            return Err(LogsError::NotFound { wanted, known });
        };
        let engine = plugins::engine(&*works.preparer.plugins, &watched.engine).await?;
        let asked = engine::Logs {
            output: watched.output.clone(),
            tail,
            follow,
        };
        let (sink, items) = stream::channel(PIECES);
        let name = watched.run.instance.clone();
        let delivery = tokio::spawn(async move {
            if let Err(error) = engine.logs(&asked, sink).await {
                tracing::debug!(instance = %name, %error, "the delivery of output ended");
            }
        });
        Ok(Logs {
            items,
            delivery: delivery.abort_handle(),
        })
    }
}
