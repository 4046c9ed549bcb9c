//! Histories drawn by chance: new versions, failures and power cuts at any moment.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use super::world::{ABSENT, BAD, World, generation, has_new, is_version, wanted};
use crate::goals::Generation;
use crate::id::{RunId, ServiceId};

const SERVICES: [&str; 4] = ["aa", "bb", "cc", "dd"];

#[derive(Debug, Clone)]
struct Drawn {
    version: u8,
    replica: u32,
    /// Bits of the earlier services that it waits for.
    depends_on: u8,
    /// Whether only until they are started.
    is_hasty: bool,
    strategy: &'static str,
}

fn drawn_service() -> impl Strategy<Value = Option<Drawn>> {
    let version = prop_oneof![6 => 0_u8..3, 1 => Just(BAD), 1 => Just(ABSENT)];
    let strategy = prop_oneof![Just("switch"), Just("restart"), Just("handover")];
    let drawn = (version, 0_u32..3, any::<u8>(), any::<bool>(), strategy);
    let drawn = drawn.prop_map(|(version, replica, depends_on, is_hasty, strategy)| Drawn {
        version,
        replica,
        depends_on,
        is_hasty,
        strategy,
    });
    proptest::option::weighted(0.8, drawn)
}

/// One version of an application, shown as it is written.
#[derive(Clone)]
struct Version {
    written: serde_json::Value,
    generation: Arc<Generation>,
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.written)
    }
}

fn drawn_version() -> impl Strategy<Value = Version> {
    let services = proptest::collection::vec(drawn_service(), SERVICES.len());
    let job = proptest::option::weighted(0.2, (1_u32..4, 1_u32..3));
    let init = proptest::option::weighted(0.3, 0_u8..4);
    (services, job, init).prop_map(|(services, job, init)| {
        let kind = if job.is_some() { "job" } else { "service" };
        let present = |(nth, one): (usize, &Option<Drawn>)| Some(service(nth, kind, one.as_ref()?, &services));
        let written: Vec<_> = services.iter().enumerate().filter_map(present).collect();
        let init = init.map(|version| json!({"name": "init", "image": format!("image:{version}")}));
        let init: Vec<_> = init.into_iter().collect();
        let mut application = json!({"name": "app1", "services": written, "initServices": init});
        if let Some((completions, parallelism)) = job {
            application["workload"] = json!("job");
            application["jobConfig"] = json!({"completions": completions, "parallelism": parallelism});
        }
        Version {
            generation: generation(&application),
            written: application,
        }
    })
}

fn service(nth: usize, kind: &str, drawn: &Drawn, all: &[Option<Drawn>]) -> serde_json::Value {
    let condition = if drawn.is_hasty { "started" } else { "ready" };
    let is_needed = |earlier: &usize| all[*earlier].is_some() && drawn.depends_on & (1 << earlier) != 0;
    let depends_on = (0..nth)
        .filter(is_needed)
        .map(|it| json!({"service": SERVICES[it], "condition": condition}));
    let depends_on: Vec<_> = depends_on.collect();
    json!({"name": SERVICES[nth], "image": format!("{kind}:{}", drawn.version), "replica": drawn.replica,
        "dependsOn": depends_on, "update": {"strategy": drawn.strategy}})
}

#[derive(Debug, Clone)]
enum Event {
    Round(u64, usize),
    Grow(Index),
    Judge,
    Resume,
    Crash(bool),
    /// Nobody can say any more which objects are for this machine, or somebody can again.
    Away(bool),
    /// It is left alone, or no more.
    Hold(bool),
    /// The disk takes nothing, or everything again.
    Full(bool),
    Apply(Version),
    Delete,
}

fn drawn_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => (any::<u64>(), 1_usize..6).prop_map(|(shuffle, take)| Event::Round(shuffle, take)),
        12 => any::<Index>().prop_map(Event::Grow),
        4 => Just(Event::Judge),
        2 => Just(Event::Resume),
        1 => any::<bool>().prop_map(Event::Crash),
        1 => prop::bool::weighted(0.7).prop_map(Event::Away),
        1 => any::<bool>().prop_map(Event::Hold),
        1 => any::<bool>().prop_map(Event::Full),
        2 => drawn_version().prop_map(Event::Apply),
        1 => Just(Event::Delete),
    ]
}

fn happen(world: &mut World, event: &Event) {
    match event {
        Event::Round(shuffle, take) => world.round(*shuffle, *take),
        Event::Grow(_) if world.observed.instances.is_empty() => {}
        Event::Grow(nth) => world.grow(nth.index(world.observed.instances.len())),
        Event::Judge => world.judge(),
        Event::Resume => world.pausing = false,
        Event::Crash(loses_prepared) => world.crash(*loses_prepared),
        Event::Hold(is_left_alone) => world.is_left_alone = *is_left_alone,
        Event::Full(is_full) => world.fill(*is_full),
        Event::Away(true) => world.is_away = true,
        Event::Away(false) => world.come_back(),
        Event::Apply(version) => world.apply(version.generation.clone()),
        Event::Delete => world.delete(),
    }
}

/// The naive specification: the least and the most that runs once everything has come to rest.
fn at_rest(world: &World) -> (BTreeSet<RunId>, BTreeSet<RunId>) {
    let Some(candidate) = &world.candidate else {
        return Default::default();
    };
    let exactly = |generation: &Generation| (wanted(generation), wanted(generation));
    let before = world.fallback.as_deref();
    let cannot_be_had = has_new(candidate, before, ABSENT);
    let is_bad = has_new(candidate, before, BAD);
    match before {
        Some(before) if cannot_be_had || is_bad || world.failed() => exactly(before),
        // What there was before runs on, though it never was good.
        None if cannot_be_had => (BTreeSet::new(), world.observed.instances.keys().cloned().collect()),
        None if is_bad => (
            wanted(&reachable(candidate)),
            world.observed.instances.keys().cloned().collect(),
        ),
        _ => exactly(candidate),
    }
}

/// The services that are waited for by nothing that ends badly.
fn reachable(generation: &Generation) -> Generation {
    let stands = |id: &ServiceId, known: &Generation| {
        let goal = &generation[id];
        goal.depends_on.keys().all(|on| {
            let is_gone = generation.contains_key(on) && !known.contains_key(on);
            let is_bad = generation
                .get(on)
                .is_some_and(|goal| goal.count() > 0 && is_version(goal, BAD));
            !is_gone && !is_bad
        })
    };
    let mut known = generation.clone();
    for _ in 0..=generation.len() {
        let before = known.clone();
        known.retain(|id, _| stands(id, &before));
    }
    // Of a job that ends badly no others are started than the first.
    for job in known
        .values_mut()
        .filter(|goal| is_version(goal, BAD))
        .filter_map(|goal| goal.job.as_mut())
    {
        job.completions = job.completions.min(job.parallelism);
    }
    known
}

fn assert_at_rest(world: &World) {
    let found: BTreeSet<RunId> = world.observed.instances.keys().cloned().collect();
    let (least, most) = at_rest(world);
    assert!(found.is_superset(&least), "expected at least {least:?} in {world:?}");
    assert!(found.is_subset(&most), "expected at most {most:?} in {world:?}");
    let fallback = world.fallback.as_deref();
    if fallback.is_some_and(|fallback| !wanted(fallback).is_empty()) {
        assert!(
            !found.is_empty(),
            "neither the fallback nor the candidate runs: {world:?}"
        );
    }
    assert_eq!(world.steps(), [], "there is rest, and yet something to do");
}

/// While nobody can say which objects are for this machine, what is there stays, and what is known to be put back runs.
fn assert_nothing_is_lost(world: &mut World, shuffle: u64) {
    let before: BTreeSet<RunId> = world.observed.instances.keys().cloned().collect();
    let prepared = world.observed.prepared.clone();
    let is_held = world.candidate.is_some() && world.is_held();
    world.settle(shuffle);
    if is_held {
        let after: BTreeSet<RunId> = world.observed.instances.keys().cloned().collect();
        assert_eq!(after, before);
        assert!(world.observed.prepared.is_superset(&prepared));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_happens_the_end_is_as_specified_and_no_promise_is_broken_on_the_way(
        first in drawn_version(),
        events in proptest::collection::vec(drawn_event(), 0..60),
        shuffle in any::<u64>(),
    ) {
        let mut world = World::default();
        world.apply(first.generation);
        events.iter().for_each(|event| happen(&mut world, event));
        if world.is_away {
            assert_nothing_is_lost(&mut world, shuffle);
            world.come_back();
        }
        world.is_left_alone = false;
        world.settle(shuffle);
        world.fill(false);
        world.settle(shuffle);
        assert_at_rest(&world);
    }

    #[test]
    fn a_version_that_follows_a_good_one_ends_as_itself_or_leaves_the_good_one(
        old in drawn_version(),
        new in drawn_version(),
        cut in 0_usize..40,
        cuts in 0_usize..4,
        loses_prepared in any::<bool>(),
        shuffle in any::<u64>(),
    ) {
        let mut world = World::default();
        world.apply(old.generation);
        world.settle(shuffle);
        world.apply(new.generation);
        for nth in 0..cuts {
            for round in 0..cut {
                world.pausing = false;
                world.round(shuffle.wrapping_mul(nth as u64 + 1).wrapping_add(round as u64), 2);
                (0..world.observed.instances.len()).for_each(|nth| world.grow(nth));
                world.judge();
            }
            world.crash(loses_prepared);
        }
        world.settle(shuffle);
        assert_at_rest(&world);
    }
}
