//! Planning a thousand applications with ten thousand services: when there is nothing to do, when all is to do, and when
//! one application has a new version. The floor walks the same maps once.

use crate::Bench;
use aerolith_model::Application;
use aerolith_plan::{
    Fingerprints, Fitness, Generation, Goals, Library, Observed, RunId, Seen, ServiceId, State, Target, Trial, Updates,
    plan,
};
use benches::Times;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;

/// Services of an application; each waits for the one before.
const SERVICES: usize = 10;

pub(crate) fn measure(bench: &Bench) -> String {
    let applications = bench.size(1_000, 20);
    let described: Vec<_> = (0..applications).map(|number| described(number, 1)).collect();
    let fingerprints = Fingerprints::default();
    let library = Library::new([], [], &fingerprints);
    let goals = goals(&library, &described);
    let (nothing, at_rest) = (Observed::default(), at_rest(&goals));
    let prepared = Observed {
        prepared: at_rest.prepared.clone(),
        ..Observed::default()
    };
    let mut one_new = goals.clone();
    renew(&library, &mut one_new, applications / 2);
    let all = applications * SERVICES;
    let mut times = Times::default();
    // A plan is soon made: take enough of them.
    for _ in 0..bench.rounds * 5 {
        times.measure("floor: every map walked once", || walk(&goals, &at_rest));
        for (name, goals, observed, steps) in [
            ("nothing to do", &goals, &at_rest, 0),
            ("everything to prepare", &goals, &nothing, all),
            (
                "everything to start that waits for nothing",
                &goals,
                &prepared,
                applications,
            ),
            ("one application new, to prepare", &one_new, &at_rest, SERVICES),
        ] {
            assert_eq!(times.measure(name, || plan(goals, observed)).len(), steps, "{name}");
        }
        times.measure("goals of one application", || {
            library.generation(&described[0], Updates::default()).unwrap()
        });
        times.measure("goals of all applications", || self::goals(&library, &described));
    }
    times.compared(&format!("Planning {applications} applications with {all} services"))
}

fn described(number: usize, version: usize) -> Application {
    let service = |n: usize| -> Value {
        let on: Vec<_> = n
            .checked_sub(1)
            .map(|before| format!("service-{before}"))
            .into_iter()
            .collect();
        let env = json!([{"name": "VERSION", "value": version.to_string()}]);
        json!({"name": format!("service-{n}"), "image": "image:1", "env": env, "dependsOn": on})
    };
    let services: Vec<_> = (0..SERVICES).map(service).collect();
    serde_json::from_value(json!({"name": format!("app-{number}"), "services": services})).unwrap()
}

fn goals(library: &Library<'_>, applications: &[Application]) -> Goals {
    let target = |application: &Application| {
        let candidate = Arc::new(library.generation(application, Updates::default()).unwrap());
        let target = Target {
            candidate,
            ..Target::default()
        };
        (application.name.clone(), target)
    };
    Goals {
        applications: applications.iter().map(target).collect(),
        keep: BTreeSet::new(),
    }
}

/// Gives an application a new version; the one that it has is the one to fall back on.
fn renew(library: &Library<'_>, goals: &mut Goals, number: usize) {
    let described = described(number, 2);
    let target = goals.applications.get_mut(&described.name).unwrap();
    let candidate = Arc::new(library.generation(&described, Updates::default()).unwrap());
    target.fallback = Some(std::mem::replace(&mut target.candidate, candidate));
}

/// All prepared, and all running since long.
fn at_rest(goals: &Goals) -> Observed {
    let wanted = || goals.applications.values().flat_map(|target| target.candidate.iter());
    let instances = wanted().map(|(id, goal)| {
        let run = RunId {
            instance: id.instance(1),
            fingerprint: goal.fingerprint,
        };
        let seen = Seen {
            state: State::Running(Fitness::Healthy),
            trial: Trial::Passed,
            depends_on: goal.depends_on.keys().cloned().collect(),
        };
        (run, seen)
    });
    Observed {
        instances: instances.collect(),
        prepared: wanted().map(|(id, goal)| (id.clone(), goal.fingerprint)).collect(),
    }
}

/// Each goal with what is seen of it, as any plan must look at them.
fn walk(goals: &Goals, observed: &Observed) -> usize {
    let generations = goals.applications.values().map(|target| &*target.candidate);
    let fit = generations
        .map(|generation: &Generation| generation.iter().filter(|(_, goal)| goal.service.replica > 0).count());
    let up = observed.instances.values().filter(|seen| seen.stands()).count();
    let prepared = observed
        .prepared
        .iter()
        .filter(|(id, _): &&(ServiceId, _)| !id.service.as_str().is_empty())
        .count();
    black_box(fit.sum::<usize>() + up + prepared)
}
