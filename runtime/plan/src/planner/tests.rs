mod histories;
mod world;

use serde_json::json;
use world::{ABSENT, BAD, World, generation};

use super::*;
use crate::observed::State;

fn shown(steps: &[Step]) -> Vec<String> {
    let show = |step: &Step| match step {
        Step::Prepare { service, .. } => format!("prepare {service}"),
        Step::Stop { run } => format!("stop {}", run.instance),
        Step::Start { run } => format!("start {}", run.instance),
        Step::Remove { service, .. } => format!("remove {service}"),
    };
    steps.iter().map(show).collect()
}

/// `aa`, and `bb`, which waits for it, each in a version.
fn pair(aa: u8, bb: u8, more: &serde_json::Value) -> std::sync::Arc<crate::Generation> {
    let service = |name: &str, version: u8| json!({"name": name, "image": format!("image:{version}"), "update": more});
    let mut dependent = service("bb", bb);
    dependent["dependsOn"] = json!(["aa"]);
    generation(&json!({"name": "app1", "services": [service("aa", aa), dependent]}))
}

fn settled(aa: u8, bb: u8, more: &serde_json::Value) -> World {
    let mut world = World::default();
    world.apply(pair(aa, bb, more));
    world.settle(0);
    assert!(world.good);
    world
}

/// Takes all steps of one plan, lets everything grow as far as it does, and answers what was done.
fn advance(world: &mut World) -> Vec<String> {
    let steps = shown(&world.steps());
    world.round(0, usize::MAX);
    for _ in 0..4 {
        (0..world.observed.instances.len()).for_each(|nth| world.grow(nth));
    }
    world.judge();
    steps
}

#[test]
fn a_first_start_prepares_and_then_starts_in_order() {
    let mut world = World::default();
    world.apply(pair(0, 0, &json!({})));
    for expected in [
        &["prepare app1.aa", "prepare app1.bb"][..],
        &["start app1.aa.1"],
        &["start app1.bb.1"],
        &[],
    ] {
        assert_eq!(advance(&mut world), expected);
    }
    assert!(world.good);
}

#[test]
fn a_switch_stops_the_old_once_the_new_has_proven_itself_and_touches_nothing_else() {
    let mut world = settled(0, 0, &json!({}));
    world.apply(pair(0, 1, &json!({})));
    for expected in [
        &["prepare app1.bb"][..],
        &["start app1.bb.1"],
        &["stop app1.bb.1"],
        &["remove app1.bb"],
        &[],
    ] {
        assert_eq!(advance(&mut world), expected);
    }
}

#[test]
fn a_restart_stops_the_old_when_everything_is_there_for_the_new() {
    let restart = json!({"strategy": "restart"});
    let mut world = settled(0, 0, &restart);
    world.apply(pair(1, 1, &restart));
    for expected in [
        &["prepare app1.aa", "prepare app1.bb"][..],
        &["stop app1.aa.1"],
        &["start app1.aa.1"],
        &["stop app1.bb.1"],
        &["start app1.bb.1"],
        &["remove app1.aa", "remove app1.bb"],
        &[],
    ] {
        assert_eq!(advance(&mut world), expected);
    }
}

#[test]
fn what_is_bad_goes_and_the_old_runs_on_or_is_started_again_and_twice_is_enough() {
    for (strategy, first, back) in [
        ("switch", &["start app1.bb.1"][..], &["stop app1.bb.1"][..]),
        ("handover", &["start app1.bb.1"], &["stop app1.bb.1"]),
        ("restart", &["stop app1.bb.1"], &["stop app1.bb.1"]),
    ] {
        let update = json!({"strategy": strategy});
        let mut world = settled(0, 0, &update);
        let before = world.observed.instances.clone();
        world.apply(pair(0, BAD, &update));
        assert_eq!(advance(&mut world), ["prepare app1.bb"]);
        assert_eq!(advance(&mut world), first);
        while world.attempts == 0 {
            advance(&mut world);
        }
        assert!(world.pausing);
        assert_eq!(advance(&mut world), back);
        world.settle(0);
        assert_eq!((world.attempts, world.good), (2, false));
        assert_eq!(world.observed.instances, before);
    }
}

/// Everything is started, and nothing has proven itself yet.
fn running(aa: u8, bb: u8) -> World {
    let mut world = World::default();
    world.apply(pair(aa, bb, &json!({})));
    for _ in 0..4 {
        world.round(0, usize::MAX);
        (0..world.observed.instances.len()).for_each(|nth| world.grow(nth));
    }
    let healthy = State::Running(crate::Fitness::Healthy);
    assert!(world.observed.instances.values().any(|seen| seen.state != healthy));
    world
}

#[test]
fn what_ran_before_anything_was_good_runs_on_until_the_next_has_proven_itself_and_is_put_back_where_that_is_bad() {
    let mut world = running(0, 0);
    world.apply(pair(0, 1, &json!({})));
    assert_eq!(advance(&mut world), ["prepare app1.bb"]);
    assert_eq!(advance(&mut world), ["start app1.bb.1"]);
    assert_eq!(advance(&mut world), ["stop app1.bb.1"]);
    assert!(world.good);
    let mut world = running(0, 0);
    world.apply(pair(0, BAD, &json!({})));
    world.settle(0);
    assert_eq!((world.attempts, world.good), (2, false));
    assert_eq!(world.observed.instances.len(), 2);
    assert!(world.observed.instances.values().all(crate::Seen::stands), "{world:?}");
}

#[test]
fn a_first_version_that_does_not_run_is_nothing_to_go_back_to() {
    for (aa, bb) in [(0, ABSENT), (0, BAD)] {
        let mut world = World::default();
        world.apply(pair(aa, bb, &json!({})));
        world.settle(0);
        world.apply(pair(1, BAD, &json!({})));
        world.settle(0);
        assert_eq!(world.attempts, 0, "it is restarted for as long as it takes");
    }
}

#[test]
fn what_an_unproven_version_leaves_unchanged_must_prove_itself_too() {
    let mut world = running(0, 0);
    world.apply(pair(1, 0, &json!({})));
    for _ in 0..6 {
        world.round(0, usize::MAX);
        let aa = |run: &RunId| run.instance.service.service.as_str() == "aa";
        let count = world.observed.instances.keys().filter(|run| aa(run)).count();
        (0..count).for_each(|nth| world.grow(nth));
        world.judge();
        assert!(!world.good, "{world:?}");
    }
    world.settle(0);
    assert!(world.good);
}

#[test]
fn a_removed_application_stops_dependents_first_and_leaves_nothing() {
    let mut world = settled(0, 0, &json!({}));
    world.delete();
    for expected in [
        &["stop app1.bb.1"][..],
        &["stop app1.aa.1", "remove app1.bb"],
        &["remove app1.aa"],
        &[],
    ] {
        assert_eq!(advance(&mut world), expected);
    }
}

#[test]
fn a_removed_service_stops_when_the_rest_is_found_good_and_not_before() {
    let mut world = settled(0, 0, &json!({}));
    let service = json!({"name": "aa", "image": "image:1"});
    world.apply(generation(&json!({"name": "app1", "services": [service]})));
    for expected in [
        &["prepare app1.aa"][..],
        &["start app1.aa.1"],
        &["stop app1.bb.1"],
        &["stop app1.aa.1", "remove app1.bb"],
        &["remove app1.aa"],
    ] {
        assert_eq!(advance(&mut world), expected);
    }
}

#[test]
fn what_cannot_be_had_leaves_the_old_running_and_starts_it_after_a_power_cut() {
    let mut world = settled(0, 0, &json!({}));
    world.apply(pair(1, ABSENT, &json!({})));
    assert_eq!(advance(&mut world), ["prepare app1.aa"]);
    assert_eq!(advance(&mut world), [""; 0]);
    world.crash(false);
    assert_eq!(advance(&mut world), ["start app1.aa.1"]);
    assert_eq!(advance(&mut world), ["start app1.bb.1"]);
    assert_eq!(advance(&mut world), [""; 0]);
}

#[test]
fn nothing_is_touched_while_nobody_can_say_what_is_for_this_machine() {
    for strategy in ["switch", "restart"] {
        let mut world = settled(0, 0, &json!({"strategy": strategy}));
        let (settled, before) = (world.clone(), world.observed.clone());
        world.is_away = true;
        world.crash(false);
        assert_eq!(advance(&mut world), [""; 0], "a reboot");
        assert_eq!(world.observed.prepared, before.prepared);
        let mut world = settled;
        world.is_away = true;
        world.apply(pair(1, 1, &json!({"strategy": strategy})));
        world.settle(0);
        assert_eq!((&world.observed, world.good), (&before, false), "an update");
        world.end_all();
        assert_eq!(advance(&mut world), ["start app1.aa.1"], "what is put back is known");
        world.come_back();
        world.settle(0);
        assert!(world.good);
    }
}

#[test]
fn what_was_prepared_under_its_fingerprint_has_that_for_sure() {
    let mut world = settled(0, 0, &json!({}));
    let mut generation = crate::Generation::clone(world.candidate.as_ref().unwrap());
    generation.values_mut().for_each(|goal| goal.is_resolved = false);
    world.candidate = Some(generation.into());
    world.crash(false);
    assert_eq!(advance(&mut world), ["start app1.aa.1"]);
}

#[test]
fn what_is_kept_for_a_rollback_is_not_removed() {
    let mut world = settled(0, 0, &json!({}));
    world.keep = world.observed.prepared.clone();
    world.apply(pair(1, 1, &json!({})));
    world.settle(0);
    assert_eq!(world.observed.prepared.len(), 4);
    world.keep.clear();
    assert_eq!(shown(&world.steps()), ["remove app1.aa", "remove app1.bb"]);
}

#[test]
fn a_crashed_instance_is_supervisions_business() {
    for state in [
        State::Restarting,
        State::Ended { success: false },
        State::Stopping,
        State::Starting,
    ] {
        let mut world = settled(0, 0, &json!({}));
        world
            .observed
            .instances
            .values_mut()
            .for_each(|seen| seen.state = state);
        assert_eq!(world.steps(), [], "{state:?}");
    }
}

/// Mender's table: the power goes at a moment of an update, once or whenever that moment comes.
#[test]
fn a_power_cut_once_ends_with_the_new_version_and_one_for_ever_with_the_old() {
    for strategy in ["switch", "restart"] {
        let update = json!({"strategy": strategy});
        let (old, new) = (pair(0, 0, &update), pair(1, 1, &update));
        for moment in 0..12 {
            for cuts in [1, 2, 9] {
                for loses_prepared in [false, true] {
                    let mut world = World::default();
                    world.apply(old.clone());
                    world.settle(0);
                    world.apply(new.clone());
                    let mut is_over = false;
                    for _ in 0..cuts {
                        for _ in 0..moment {
                            world.pausing = false;
                            advance(&mut world);
                        }
                        is_over |= world.good;
                        world.crash(loses_prepared);
                    }
                    let interrupted = world.attempts;
                    world.settle(0);
                    let found: std::collections::BTreeSet<_> = world.observed.instances.keys().cloned().collect();
                    let is_new = is_over || interrupted < 2;
                    let expected = world::wanted(if is_new { &new } else { &old });
                    assert_eq!(found, expected, "{strategy}, {cuts} cuts at {moment}");
                    assert!(cuts > 1 || is_new, "one cut is forgiven");
                }
            }
        }
    }
}
