//! The preparations that are under way, each known by its version, also when it ends without a result.

use std::collections::HashMap;

use tokio::task::{Id, JoinSet};

use crate::prepare::{Fresh, PrepareError};
use aerolith_plan::VersionId;

#[derive(Default)]
pub(crate) struct Jobs {
    tasks: JoinSet<Result<Fresh, PrepareError>>,
    versions: HashMap<Id, VersionId>,
}

impl Jobs {
    pub(crate) fn spawn(
        &mut self,
        version: VersionId,
        job: impl Future<Output = Result<Fresh, PrepareError>> + Send + 'static,
    ) {
        let id = self.tasks.spawn(job).id();
        self.versions.insert(id, version);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The next that ends, and how; one that panicked is [`PrepareError::Lost`]. Nothing when none is under way.
    /// Cancelling the wait loses nothing.
    pub(crate) async fn next(&mut self) -> Option<(VersionId, Result<Fresh, PrepareError>)> {
        let (id, result) = match self.tasks.join_next_with_id().await? {
            Ok(done) => done,
            Err(error) => (error.id(), Err(PrepareError::Lost(error.to_string()))),
        };
        self.versions.remove(&id).map(|version| (version, result))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(service: &str) -> VersionId {
        let instance: aerolith_plan::InstanceId = format!("shop.{service}.1").parse().unwrap();
        (instance.service, "0".repeat(64).parse().unwrap())
    }

    #[tokio::test]
    async fn one_that_panics_is_named_and_the_others_go_on() {
        let mut jobs = Jobs::default();
        let (free, held) = tokio::sync::oneshot::channel::<()>();
        jobs.spawn(version("slow"), async move {
            held.await.unwrap();
            Err(PrepareError::Superseded)
        });
        jobs.spawn(version("torn"), async { panic!("as tested") });
        let (torn, result) = jobs.next().await.unwrap();
        assert_eq!(torn, version("torn"));
        assert!(matches!(result, Err(PrepareError::Lost(why)) if why.contains("as tested")));
        free.send(()).unwrap();
        let (slow, result) = jobs.next().await.unwrap();
        assert_eq!(slow, version("slow"));
        assert!(matches!(result, Err(PrepareError::Superseded)));
        assert!(jobs.next().await.is_none());
    }
}
