//! What an instance takes from the host before each start: leave of the policy, and its ports.

use super::keeping::blocking;
use super::life::Instance;
use super::starting::Refused;
use crate::enforcement::is_somebody_else;
use crate::plugins::Engine;
use crate::policy::NotAllowed;

impl Instance {
    /// Nothing is started that the policy refuses or its engine would run as somebody else, or while others have its ports.
    pub(super) async fn take_from_host(&mut self, engine: &Engine) -> Result<(), Refused> {
        if let Some(user) = self.record.asked.user.as_deref() {
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
            Ok::<_, String>(judged.and_then(|()| paths.try_for_each(|path| rules.follow(path).map(drop))))
        });
        match judged.await.map_err(Refused::Clear)? {
            Err(error @ NotAllowed::Unknown { .. }) => return Err(Refused::Clear(error.to_string())),
            Err(error) => return Err(Refused::NotAllowed(error)),
            Ok(()) => {}
        }
        let (ports, run) = (self.shared.ports.clone(), self.record.run());
        let mut workload = self.record.workload.clone();
        self.record.workload = blocking(move || ports.give(&run, &mut workload).map(|()| workload))
            .await
            .map_err(Refused::Clear)?;
        Ok(())
    }

    /// It needs its ports no more.
    pub(super) fn give_back_ports(&self) {
        self.shared.ports.release(&self.record.run());
    }
}
