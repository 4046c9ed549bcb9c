//! What a service waits for that is prepared and has no instance yet.

use aerolith_model::StartCondition;
use aerolith_plan::{Goal, ServiceId};

use super::picture::Picture;
use crate::rollout::{Course, SCHEDULED};

impl Picture<'_> {
    /// Why a prepared service has not been started: another part of its application is not prepared, all of that has failed or
    /// waits for its time, or what it depends on is not as far as it asks.
    pub(super) fn waits(&self, id: &ServiceId, goal: &Goal) -> Option<String> {
        if let Some((missing, why)) = self.holds_back(id) {
            return Some(format!("starts once {} is prepared{why}", missing.service));
        }
        if self.is_in_place(&id.application) {
            let course = self.board.courses.get(&id.application);
            return Some(match course.and_then(Course::scheduled_ms) {
                Some(_) => SCHEDULED.into(),
                None => "starts once its application is tried again; until then what was before runs".into(),
            });
        }
        let unmet = goal.depends_on.iter().filter_map(|(on, condition)| {
            let why = self.unmet(on, *condition)?;
            Some(match condition {
                StartCondition::Started => format!("{} runs ({why})", on.service),
                StartCondition::Ready => format!("{} is ready ({why})", on.service),
                StartCondition::Succeeded => format!("{} has ended well ({why})", on.service),
            })
        });
        let unmet: Vec<String> = unmet.collect();
        (!unmet.is_empty()).then(|| format!("starts when {}", unmet.join(" and ")))
    }

    /// What must be prepared before anything new of an application takes the place of what is there.
    fn holds_back(&self, id: &ServiceId) -> Option<(&ServiceId, String)> {
        let course = self.board.courses.get(&id.application);
        let has_fallback = course.is_some_and(|course| course.fallback(&id.application).is_some());
        let mut all = self
            .services
            .get(id.application.as_str())
            .into_iter()
            .flatten()
            .copied();
        let is_at_stake = has_fallback || all.clone().any(|id| self.has_others(id));
        let missing = all.find(|id| self.goals.get(id).is_some_and(|goal| !self.is_there(id, goal)))?;
        is_at_stake.then(|| {
            (
                missing,
                self.trouble(missing).map_or_else(String::new, |why| format!(": {why}")),
            )
        })
    }

    /// Whether something of a service runs in another version.
    fn has_others(&self, id: &ServiceId) -> bool {
        let mut runs = self.instances.get(id).into_iter().flatten();
        let wanted = self.goals.get(id);
        runs.any(|(run, _)| wanted.is_none_or(|goal| goal.fingerprint != run.fingerprint))
    }

    /// Whether a version is prepared, as far as it must be.
    fn is_there(&self, id: &ServiceId, goal: &Goal) -> bool {
        goal.count() == 0 || self.board.prepared.contains_key(&(id.clone(), goal.fingerprint))
    }

    /// Why a version could not be prepared the last time.
    fn trouble(&self, id: &ServiceId) -> Option<&str> {
        let goal = self.goals.get(id)?;
        let trouble = self.board.troubles.get(&(id.clone(), goal.fingerprint))?;
        Some(&trouble.reason)
    }

    /// Why a service is not as far as another one asks, if it is not.
    fn unmet(&self, id: &ServiceId, condition: StartCondition) -> Option<String> {
        let goal = self.goals.get(id)?;
        let runs = self.instances.get(id).into_iter().flatten();
        let (met, others): (Vec<_>, Vec<_>) = runs
            .filter(|(run, _)| goal.wants(run))
            .partition(|(_, view)| view.planned().meets(condition));
        if met.len() >= goal.count() as usize {
            return None;
        }
        if !self.is_there(id, goal) {
            return Some(self.trouble(id).unwrap_or("it is being prepared").to_owned());
        }
        let count = format!("{} of {}", met.len(), goal.count());
        let told = others.iter().find(|(_, view)| !view.reason.is_empty());
        Some(match told {
            Some((run, view)) => format!("{count}; {}: {}", run.instance, view.reason),
            None => count,
        })
    }
}
