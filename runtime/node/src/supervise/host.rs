//! What an instance takes from the host before each start: leave of the policy, and its ports.

use super::keeping::blocking;
use super::life::Instance;
use crate::enforcement::is_somebody_else;
use crate::plugins::Engine;

impl Instance {
    /// Nothing is started that the policy refuses or its engine would run as somebody else, or while others have its ports.
    pub(super) async fn take_from_host(&mut self, engine: &Engine) -> Result<(), String> {
        if let Some(user) = self.record.asked.user.as_deref() {
            let features = engine.capabilities().await.map_err(|error| error.to_string())?;
            is_somebody_else(Some(user), &features).map_or(Ok(()), |wrong| Err(wrong.to_string()))?;
        }
        let (rules, asked) = (self.shared.rules.clone(), self.record.asked.clone());
        blocking(move || {
            rules.judge(&asked)?;
            // Where a link leads may have changed since the last start.
            asked
                .host_paths
                .iter()
                .try_for_each(|path| rules.follow(path).map(drop))
        })
        .await?;
        let (ports, run) = (self.shared.ports.clone(), self.record.run());
        let mut workload = self.record.workload.clone();
        self.record.workload = blocking(move || ports.give(&run, &mut workload).map(|()| workload)).await?;
        Ok(())
    }

    /// It needs its ports no more.
    pub(super) fn give_back_ports(&self) {
        self.shared.ports.release(&self.record.run());
    }
}
