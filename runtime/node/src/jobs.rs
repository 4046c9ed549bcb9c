//! The preparations that are under way, each known by its version, also when it ends without a result, and given up when
//! nobody wants it any more.

use std::collections::HashMap;

use tokio::sync::watch;
use tokio::task::{Id, JoinSet};

use crate::prepare::{Fresh, PrepareError};
use aerolith_plan::VersionId;

#[derive(Default)]
pub(crate) struct Jobs {
    tasks: JoinSet<Result<Fresh, PrepareError>>,
    versions: HashMap<Id, Job>,
}

struct Job {
    version: VersionId,
    /// Whoever does the job is told by the end of this that nobody wants it any more.
    wanted: Option<watch::Sender<()>>,
}

/// Whether somebody wants a job still.
#[derive(Debug, Clone)]
pub(crate) struct Need(watch::Receiver<()>);

impl Need {
    /// Does something that may take long, and gives it up when nobody wants it any more. What works on files is not given
    /// up, and so belongs outside: it would go on in its thread.
    pub(crate) async fn meet<T>(&self, work: impl Future<Output = T>) -> Result<T, PrepareError> {
        let mut wanted = self.0.clone();
        let ends = async { while wanted.changed().await.is_ok() {} };
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = ends => Err(PrepareError::Superseded),
        }
    }
}

impl Jobs {
    pub(crate) fn spawn<F>(&mut self, version: VersionId, job: impl FnOnce(Need) -> F)
    where
        F: Future<Output = Result<Fresh, PrepareError>> + Send + 'static,
    {
        let (wanted, need) = watch::channel(());
        let id = self.tasks.spawn(job(Need(need))).id();
        let wanted = Some(wanted);
        self.versions.insert(id, Job { version, wanted });
    }

    /// Gives up those that nobody wants any more. They end as superseded.
    pub(crate) fn keep(&mut self, is_wanted: impl Fn(&VersionId) -> bool) {
        for job in self.versions.values_mut().filter(|job| !is_wanted(&job.version)) {
            job.wanted = None;
        }
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
        self.versions.remove(&id).map(|job| (job.version, result))
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
        jobs.spawn(version("slow"), |_| async move {
            held.await.unwrap();
            Err(PrepareError::Superseded)
        });
        jobs.spawn(version("torn"), |_| async { panic!("as tested") });
        let (torn, result) = jobs.next().await.unwrap();
        assert_eq!(torn, version("torn"));
        assert!(matches!(result, Err(PrepareError::Lost(why)) if why.contains("as tested")));
        free.send(()).unwrap();
        let (slow, result) = jobs.next().await.unwrap();
        assert_eq!(slow, version("slow"));
        assert!(matches!(result, Err(PrepareError::Superseded)));
        assert!(jobs.next().await.is_none());
    }
    #[tokio::test]
    async fn what_nobody_wants_any_more_is_given_up_and_the_others_go_on() {
        let mut jobs = Jobs::default();
        for name in ["wanted", "spare"] {
            jobs.spawn(version(name), |need| async move {
                need.meet(std::future::pending::<()>()).await?;
                Ok(Fresh::default())
            });
        }
        jobs.keep(|one| *one == version("wanted"));
        let (spare, result) = jobs.next().await.unwrap();
        assert_eq!(spare, version("spare"));
        assert!(matches!(result, Err(PrepareError::Superseded)));
        assert!(!jobs.is_empty());
    }
}
