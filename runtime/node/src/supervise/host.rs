//! What an instance takes from the host before each start: leave of the policy, and its ports.

use super::life::Instance;
use super::starting::Refused;
use crate::blocking::blocking;
use crate::enforcement::is_somebody_else;
use crate::plugins::Engine;
use crate::policy::NotAllowed;
use crate::ports::NoPort;

/// So many tries it waits for the port that it was given: whoever has it may be gone in a moment, and its working folder is
/// worth the wait.
const PATIENCE: u32 = 3;

impl Instance {
    /// Nothing is started that the policy refuses or its engine would run as somebody else, or while others have its ports.
    pub(super) async fn take_from_host(&mut self, engine: &Engine) -> Result<(), Refused> {
        self.be_allowed(engine).await?;
        let (ports, run) = (self.shared.ports.clone(), self.record.run());
        let mut workload = self.record.workload.clone();
        let given = move || ports.give(&run, &mut workload).map(|()| workload);
        self.record.workload = blocking(given)
            .await
            .map_err(|error| Refused::Clear(error.to_string()))?
            .map_err(|error| match error {
                NoPort::Lost { .. } if self.failures >= PATIENCE => Refused::Lost(error.to_string()),
                _ => Refused::Clear(error.to_string()),
            })?;
        Ok(())
    }

    async fn be_allowed(&self, engine: &Engine) -> Result<(), Refused> {
        if let Some(user) = self.record.workload.user.as_deref() {
            let features = engine
                .capabilities()
                .await
                .map_err(|error| Refused::Clear(error.to_string()))?;
            is_somebody_else(Some(user), &features).map_or(Ok(()), |wrong| Err(Refused::Clear(wrong.to_string())))?;
        }
        let (rules, asked) = (self.shared.rules.clone(), self.record.asked.clone());
        let judged = blocking(move || {
            let judged = rules.judge(&asked);
            // Where a link leads may have changed since the last start.
            let mut paths = asked.host_paths.iter();
            judged.and_then(|()| paths.try_for_each(|path| rules.follow(path).map(drop)))
        });
        match judged.await.map_err(|error| Refused::Clear(error.to_string()))? {
            Err(error @ NotAllowed::Unknown { .. }) => Err(Refused::Clear(error.to_string())),
            Err(error) => Err(Refused::NotAllowed(error)),
            Ok(()) => Ok(()),
        }
    }
}
