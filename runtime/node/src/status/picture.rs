//! What is known at one moment, ordered so that each part finds its own at once.

use std::collections::{BTreeMap, BTreeSet};

use aerolith_model::{AppName, ResourceKind};
use aerolith_plan::{Fitness, Generation, Goal, RunId, ServiceId, Step, Trial};

use crate::driver::{Board, Look, Works, subject};
use crate::policy::PackagePolicy;
use crate::rollout::Course;
use crate::supervise::{Phase, View};

/// The instances of each service, by index and version.
type Instances<'a> = BTreeMap<&'a ServiceId, Vec<(&'a RunId, &'a View)>>;

/// Everything that a status is made from.
pub(super) struct Picture<'a> {
    pub(super) board: &'a Board,
    pub(super) policy: &'a PackagePolicy,
    /// What is worked towards.
    pub(super) goals: BTreeMap<&'a ServiceId, &'a Goal>,
    /// What runs in its place, of the applications for which that is so.
    in_place: BTreeMap<&'a AppName, &'a Generation>,
    pub(super) instances: Instances<'a>,
    /// The services of each application that is desired, or of which something is left.
    pub(super) services: BTreeMap<&'a str, BTreeSet<&'a ServiceId>>,
    /// The applications for which something is being done, or will be by itself.
    pub(super) busy: BTreeSet<String>,
}

impl<'a> Picture<'a> {
    pub(super) fn of(works: &'a Works, board: &'a Board, look: &'a Look) -> Self {
        let mut instances = Instances::new();
        for one in &look.instances {
            let mine = instances.entry(&one.run().instance.service).or_default();
            mine.push((one.run(), &one.view));
        }
        let busy = busy(board, &look.steps, &instances);
        let goals: BTreeMap<&ServiceId, &Goal> = board.wanted().collect();
        let in_place = board.courses.keys();
        let in_place: BTreeMap<&AppName, &Generation> = in_place
            .filter_map(|name| Some((name, &**board.in_place(name)?)))
            .collect();
        let put_back = in_place.values().flat_map(|generation| generation.keys());
        let known = goals.keys().chain(instances.keys()).copied();
        let services = services(board, known.chain(put_back));
        Self {
            board,
            goals,
            in_place,
            policy: works.preparer.downloads.policy(),
            instances,
            services,
            busy,
        }
    }

    /// What is to run of a service now: of the newest version of its application, or of what is in its place.
    pub(super) fn to_run(&self, id: &ServiceId) -> Option<&'a Goal> {
        match self.in_place.get(&id.application) {
            Some(generation) => generation.get(id),
            None => self.goals.get(id).copied(),
        }
    }

    /// Whether something else runs in the place of the newest version of an application.
    pub(super) fn is_in_place(&self, application: &AppName) -> bool {
        self.in_place.contains_key(application)
    }

    /// The names of all applications.
    pub(super) fn applications(&self) -> impl Iterator<Item = &'a str> {
        self.services.keys().copied()
    }
}

fn services<'a>(
    board: &'a Board,
    known: impl Iterator<Item = &'a ServiceId>,
) -> BTreeMap<&'a str, BTreeSet<&'a ServiceId>> {
    let desired = &board.desired;
    let mut services: BTreeMap<&str, BTreeSet<&ServiceId>> = BTreeMap::new();
    // What is kept of a service so that going back is quick is nothing of it that is left.
    let is_left = |id: &&ServiceId| !desired.generations.contains_key(&id.application);
    let prepared = board.prepared.keys().map(|(id, _)| id).filter(is_left);
    for id in prepared.chain(known) {
        services.entry(id.application.as_str()).or_default().insert(id);
    }
    let given = desired
        .resources
        .keys()
        .filter(|id| id.kind == ResourceKind::Application);
    for name in given.map(|id| &id.name).chain(desired.held.keys()) {
        services.entry(name).or_default();
    }
    services
}

fn busy(board: &Board, steps: &[Step], instances: &Instances<'_>) -> BTreeSet<String> {
    let stepping = steps.iter().map(subject);
    let preparing = board.preparing.iter().map(|(id, _)| id);
    let moving = instances
        .iter()
        .filter(|(_, all)| all.iter().any(|(_, view)| !rests(view)));
    let ids = stepping.chain(preparing).chain(moving.map(|(id, _)| *id));
    let goes_on = |course: &Course| course.is_open() || course.scheduled_ms().is_some();
    let open = board.courses.iter().filter(|(_, course)| goes_on(course));
    ids.map(|id| &id.application)
        .chain(open.map(|(name, _)| name))
        .map(ToString::to_string)
        .collect()
}

/// Whether an instance stays as it is until something happens. While it proves itself, that happens by itself.
fn rests(view: &View) -> bool {
    match view.phase {
        // Whether it is ready is known in a moment where nobody asks, and else with the first answer.
        Phase::Running => {
            let is_known = view.fitness > Fitness::Started || view.answered_ms.is_some();
            view.trial != Trial::Ongoing && is_known
        }
        Phase::Waiting | Phase::Completed | Phase::Failed => true,
        Phase::Recovering | Phase::Starting | Phase::Restarting | Phase::Stopping => false,
    }
}
