//! The first steps that follow from a change, for people.

use aerolith_plan::Step;
use serde::Serialize;

use crate::driver::subject;

/// One step, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStep {
    /// `prepare`, `stop`, `start` or `remove`.
    pub action: &'static str,
    /// The service or the instance.
    pub subject: String,
}

impl PlannedStep {
    fn of(step: &Step) -> Self {
        let (action, subject) = match step {
            Step::Prepare { service, .. } => ("prepare", service.to_string()),
            Step::Stop { run } => ("stop", run.instance.to_string()),
            Step::Start { run } => ("start", run.instance.to_string()),
            Step::Remove { service, .. } => ("remove", service.to_string()),
        };
        Self { action, subject }
    }
}

/// The steps for some applications in their order: what is under way for others is no answer. Two versions of a service are
/// two steps of one name, which is told once.
pub(super) fn planned(steps: &[Step], applications: &[String]) -> Vec<PlannedStep> {
    let is_ours = |step: &&Step| {
        applications
            .iter()
            .any(|name| name == subject(step).application.as_str())
    };
    let mut told = Vec::new();
    for step in steps.iter().filter(is_ours).map(PlannedStep::of) {
        if !told.contains(&step) {
            told.push(step);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use aerolith_plan::RunId;

    fn run(instance: &str, version: char) -> RunId {
        RunId {
            instance: instance.parse().unwrap(),
            fingerprint: version.to_string().repeat(64).parse().unwrap(),
        }
    }

    #[test]
    fn a_change_tells_its_own_steps_each_once_and_none_of_what_is_under_way_for_others() {
        let stop = |instance, version| Step::Stop {
            run: run(instance, version),
        };
        let steps = [
            stop("shop.web.1", 'a'),
            stop("shop.web.1", 'b'),
            stop("shop.web.2", 'a'),
            stop("shop-two.web.1", 'a'),
            Step::Start {
                run: run("shop.web.1", 'c'),
            },
        ];
        let told = planned(&steps, &["shop".into()]);
        let told: Vec<_> = told.iter().map(|step| (step.action, step.subject.as_str())).collect();
        assert_eq!(
            told,
            [("stop", "shop.web.1"), ("stop", "shop.web.2"), ("start", "shop.web.1")]
        );
    }
}
