//! A small world that takes steps as a node would, watching every promise while it does.

use aerolith_model::Application;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::goals::goals;

const SERVICES: [&str; 4] = ["aa", "bb", "cc", "dd"];

/// A service as drawn: version of its image, replicas, and bits of the earlier services that it depends on.
type Drawn = Option<(u8, u32, u8)>;

fn drawn_application() -> impl Strategy<Value = Vec<Drawn>> {
    proptest::collection::vec(
        proptest::option::weighted(0.8, (0_u8..3, 0_u32..3, any::<u8>())),
        SERVICES.len(),
    )
}

fn application(name: &str, drawn: &[Drawn]) -> Application {
    let present = |(index, one): (usize, &Drawn)| Some(service(index, (*one)?, drawn));
    let services: Vec<_> = drawn.iter().enumerate().filter_map(present).collect();
    serde_json::from_value(serde_json::json!({"name": name, "services": services})).unwrap()
}

fn service(index: usize, (version, replica, bits): (u8, u32, u8), drawn: &[Drawn]) -> serde_json::Value {
    let is_needed = |earlier: &usize| drawn[*earlier].is_some() && bits & (1 << earlier) != 0;
    let depends_on: Vec<_> = (0..index).filter(is_needed).map(|earlier| SERVICES[earlier]).collect();
    let image = format!("image:{version}");
    serde_json::json!({"name": SERVICES[index], "image": image, "replica": replica, "dependsOn": depends_on})
}

fn desired(drawn: &[Vec<Drawn>]) -> Goals {
    let applications: Vec<_> = ["app1", "app2"]
        .iter()
        .zip(drawn)
        .map(|(name, drawn)| application(name, drawn))
        .collect();
    goals(&applications, [], []).unwrap()
}

fn drawn_goals() -> impl Strategy<Value = Goals> {
    proptest::collection::vec(drawn_application(), 0..=2).prop_map(|drawn| desired(&drawn))
}

/// Any world: instances and prepared trees of any version of any service, in any state, with any dependencies.
fn drawn_world() -> impl Strategy<Value = Observed> {
    let versions = (0_u8..3).prop_map(|version| desired(&vec![vec![Some((version, 1, 0)); SERVICES.len()]; 2]));
    let states = select(vec![
        State::Starting,
        State::Running(Fitness::Healthy),
        State::Restarting,
        State::Ended { success: true },
        State::Ended { success: false },
    ]);
    let service = (versions, 0_usize..8);
    let instance = (
        service.clone(),
        0_u32..5,
        states,
        proptest::collection::vec(0_usize..4, 0..3),
    );
    let instances = proptest::collection::vec(instance, 0..10);
    (instances, proptest::collection::vec(service, 0..10)).prop_map(|(instances, prepared)| {
        let nth = |goals: &Goals, index: usize| {
            goals
                .services
                .iter()
                .nth(index)
                .map(|(id, goal)| (id.clone(), goal.fingerprint))
                .unwrap()
        };
        let seen = |((goals, service), index, state, depends_on): ((Goals, usize), u32, State, Vec<usize>)| {
            let (id, fingerprint) = nth(&goals, service);
            let depends_on = depends_on
                .iter()
                .map(|name| id.sibling(&SERVICES[*name].parse().unwrap()))
                .collect();
            (
                id.instance(index),
                Seen {
                    fingerprint,
                    state,
                    depends_on,
                },
            )
        };
        Observed {
            instances: instances.into_iter().map(seen).collect(),
            prepared: prepared
                .into_iter()
                .map(|(goals, service)| nth(&goals, service))
                .collect(),
        }
    })
}

fn desired_instances<'a>(id: &'a ServiceId, goals: &Goals) -> impl Iterator<Item = InstanceId> + use<'a> {
    (1..=goals.services[id].service.replica).map(|index| id.instance(index))
}

/// Takes one step, checking that it was allowed.
fn take(goals: &Goals, world: &mut Observed, before: &Observed, step: &Step) {
    match step {
        Step::Prepare { service, fingerprint } => {
            assert!(
                world.prepared.insert((service.clone(), *fingerprint)),
                "prepared twice: {service}"
            );
        }
        Step::Stop { instance } => {
            let seen = world.instances.remove(instance).expect("stops only what is there");
            let goal = goals.services.get(&instance.service);
            let is_desired = goal.is_some_and(|goal| {
                goal.fingerprint == seen.fingerprint && (1..=goal.service.replica).contains(&instance.index)
            });
            assert!(!is_desired, "stops {instance}, which is as desired");
            let is_replaced = goal.is_some_and(|goal| goal.fingerprint != seen.fingerprint && goal.service.replica > 0);
            if let (true, Some(goal)) = (is_replaced, goal) {
                let new = (instance.service.clone(), goal.fingerprint);
                assert!(
                    before.prepared.contains(&new),
                    "stops {instance} before the new one is prepared"
                );
            }
        }
        Step::Start { instance, fingerprint } => {
            let goal = &goals.services[&instance.service];
            assert_eq!(goal.fingerprint, *fingerprint);
            assert!(
                before.prepared.contains(&(instance.service.clone(), *fingerprint)),
                "{instance} is not prepared"
            );
            for dependency in goal.depends_on.iter().flat_map(|id| desired_instances(id, goals)) {
                let state = world.instances.get(&dependency).map(|seen| seen.state);
                assert!(
                    matches!(state, Some(State::Running | State::Ended { success: true })),
                    "{instance} too early"
                );
            }
            let seen = Seen {
                fingerprint: *fingerprint,
                state: State::Starting,
                depends_on: goal.depends_on.clone(),
            };
            assert!(
                world.instances.insert(instance.clone(), seen).is_none(),
                "{instance} is there already"
            );
        }
        Step::Remove { service, fingerprint } => {
            let is_used = |(id, seen): (&InstanceId, &Seen)| id.service == *service && seen.fingerprint == *fingerprint;
            assert!(!world.instances.iter().any(is_used), "removes what an instance uses");
            assert!(world.prepared.remove(&(service.clone(), *fingerprint)));
        }
    }
}

/// Supervision: everything that shall run comes to run.
fn supervise(world: &mut Observed) {
    for seen in world.instances.values_mut() {
        if seen.state != (State::Ended { success: true }) {
            seen.state = State::Running;
        }
    }
}

/// Plans and takes steps until there are none; steps of a round are taken in the order that `shuffle` draws. Services
/// for which `fails` says so are never prepared.
fn settle(goals: &Goals, world: &mut Observed, shuffle: u64, fails: impl Fn(&ServiceId) -> bool) {
    for round in 0..40 {
        let mut steps = plan(goals, world);
        steps.retain(|step| !matches!(step, Step::Prepare { service, .. } if fails(service)));
        if steps.is_empty() && round > 0 {
            return;
        }
        steps.sort_by_key(|step| mixed(step, shuffle));
        let before = world.clone();
        for step in &steps {
            take(goals, world, &before, step);
        }
        supervise(world);
    }
    panic!("does not settle: {:?}", plan(goals, world));
}

fn mixed(step: &Step, shuffle: u64) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (step, shuffle).hash(&mut hasher);
    hasher.finish()
}

fn assert_as_desired(goals: &Goals, world: &Observed) {
    let wanted_of = |(id, goal): (_, &Goal)| {
        let fingerprint = goal.fingerprint;
        let instances: Vec<_> = desired_instances(id, goals).collect();
        instances.into_iter().map(move |instance| (instance, fingerprint))
    };
    let wanted: BTreeMap<_, _> = goals.services.iter().flat_map(wanted_of).collect();
    let found: BTreeMap<_, _> = world
        .instances
        .iter()
        .map(|(id, seen)| (id.clone(), seen.fingerprint))
        .collect();
    assert_eq!(found, wanted);
    for (id, fingerprint) in &world.prepared {
        assert_eq!(
            goals.services[id].fingerprint, *fingerprint,
            "{id} keeps what nobody needs"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_world_comes_to_the_goals_and_then_rests(
        goals in drawn_goals(),
        mut world in drawn_world(),
        shuffle in any::<u64>(),
    ) {
        settle(&goals, &mut world, shuffle, |_| false);
        assert_as_desired(&goals, &world);
        prop_assert_eq!(plan(&goals, &world), []);
    }

    #[test]
    fn goals_that_follow_each_other_are_all_reached(
        all in proptest::collection::vec(drawn_goals(), 1..4),
        shuffle in any::<u64>(),
    ) {
        let mut world = Observed::default();
        for goals in &all {
            settle(goals, &mut world, shuffle, |_| false);
            assert_as_desired(goals, &world);
        }
    }

    #[test]
    fn a_preparation_that_fails_keeps_the_old_running(
        old in drawn_goals(),
        new in drawn_goals(),
        failing in 0_usize..4,
        shuffle in any::<u64>(),
    ) {
        let mut world = Observed::default();
        settle(&old, &mut world, shuffle, |_| false);
        let before = world.clone();
        let fails = |id: &ServiceId| id.service.as_str() == SERVICES[failing];
        let changed = |id: &ServiceId| {
            let goal = new.services.get(id).filter(|goal| goal.service.replica > 0 && fails(id));
            goal.is_some_and(|goal| !before.prepared.contains(&(id.clone(), goal.fingerprint)))
        };
        let held: BTreeSet<_> = new.services.keys().filter(|id| changed(id)).map(|id| &id.application).collect();
        settle(&new, &mut world, shuffle, fails);
        for (id, seen) in before.instances.iter().filter(|(id, _)| held.contains(&id.service.application)) {
            let surplus = new.services.get(&id.service).is_some_and(|goal| {
                goal.fingerprint == seen.fingerprint && id.index > goal.service.replica
            });
            prop_assert!(surplus || world.instances.get(id) == Some(seen), "{} was touched", id);
        }
    }

    #[test]
    fn planning_is_a_function(goals in drawn_goals(), world in drawn_world()) {
        prop_assert_eq!(plan(&goals, &world), plan(&goals.clone(), &world.clone()));
    }
}

fn shown(steps: &[Step]) -> Vec<String> {
    let show = |step: &Step| match step {
        Step::Prepare { service, .. } => format!("prepare {service}"),
        Step::Stop { instance } => format!("stop {instance}"),
        Step::Start { instance, .. } => format!("start {instance}"),
        Step::Remove { service, .. } => format!("remove {service}"),
    };
    steps.iter().map(show).collect()
}

/// One application of `aa` and of `bb`, which depends on it.
fn pair(version: u8, replica: u32) -> Goals {
    desired(&[vec![Some((version, 1, 0)), Some((version, replica, 1))]])
}

fn settled(goals: &Goals) -> Observed {
    let mut world = Observed::default();
    settle(goals, &mut world, 0, |_| false);
    world
}

#[test]
fn a_first_start_prepares_and_then_starts_in_order() {
    let goals = pair(0, 1);
    let mut world = Observed::default();
    assert_eq!(shown(&plan(&goals, &world)), ["prepare app1.aa", "prepare app1.bb"]);
    world.prepared = goals
        .services
        .iter()
        .map(|(id, goal)| (id.clone(), goal.fingerprint))
        .collect();
    let starts = plan(&goals, &world);
    assert_eq!(shown(&starts), ["start app1.aa.1"]);
    let before = world.clone();
    take(&goals, &mut world, &before, &starts[0]);
    assert_eq!(
        shown(&plan(&goals, &world)),
        Vec::<String>::new(),
        "bb waits until aa runs"
    );
    supervise(&mut world);
    assert_eq!(shown(&plan(&goals, &world)), ["start app1.bb.1"]);
}

#[test]
fn a_removed_application_stops_dependents_first_and_leaves_nothing() {
    let mut world = settled(&pair(0, 1));
    let none = Goals::default();
    for expected in [
        vec!["stop app1.bb.1"],
        vec!["stop app1.aa.1", "remove app1.bb"],
        vec!["remove app1.aa"],
        vec![],
    ] {
        let steps = plan(&none, &world);
        assert_eq!(shown(&steps), expected);
        let before = world.clone();
        steps.iter().for_each(|step| take(&none, &mut world, &before, step));
    }
}

#[test]
fn more_or_fewer_replicas_touch_only_the_difference() {
    let world = settled(&pair(0, 2));
    assert_eq!(shown(&plan(&pair(0, 3), &world)), ["start app1.bb.3"]);
    assert_eq!(shown(&plan(&pair(0, 1), &world)), ["stop app1.bb.2"]);
    assert_eq!(shown(&plan(&pair(0, 0), &world)), ["stop app1.bb.1", "stop app1.bb.2"]);
}

#[test]
fn a_service_without_replicas_is_not_prepared_and_holds_nobody_up() {
    let goals = desired(&[vec![Some((0, 0, 0)), Some((0, 1, 1))]]);
    assert_eq!(shown(&plan(&goals, &Observed::default())), ["prepare app1.bb"]);
    assert_eq!(settled(&goals).instances.len(), 1);
}

#[test]
fn a_dependency_that_failed_or_waits_holds_its_dependents_back() {
    let goals = pair(0, 1);
    let running = settled(&goals);
    let (aa, bb): (InstanceId, InstanceId) = ("app1.aa.1".parse().unwrap(), "app1.bb.1".parse().unwrap());
    for (state, starts) in [
        (State::Ended { success: true }, true),
        (State::Ended { success: false }, false),
        (State::Restarting, false),
        (State::Starting, false),
    ] {
        let mut world = running.clone();
        world.instances.remove(&bb);
        world.instances.get_mut(&aa).unwrap().state = state;
        assert_eq!(plan(&goals, &world).len(), usize::from(starts), "{state:?}");
    }
}

#[test]
fn a_crashed_instance_is_supervisions_business() {
    let goals = pair(0, 1);
    for state in [
        State::Restarting,
        State::Ended { success: false },
        State::Ended { success: true },
        State::Starting,
    ] {
        let mut world = settled(&goals);
        world.instances.values_mut().for_each(|seen| seen.state = state);
        assert_eq!(plan(&goals, &world), [], "{state:?}");
    }
}

#[test]
fn what_is_kept_for_a_rollback_is_not_removed() {
    let (old, mut new) = (pair(0, 1), pair(1, 1));
    let mut world = settled(&old);
    new.keep = world.prepared.clone();
    settle(&new, &mut world, 0, |_| false);
    assert_eq!(world.prepared.len(), 4);
    new.keep.clear();
    assert_eq!(shown(&plan(&new, &world)), ["remove app1.aa", "remove app1.bb"]);
}

#[test]
fn instances_that_depend_on_each_other_in_a_circle_stop_together() {
    let mut world = settled(&pair(0, 1));
    let circle: BTreeSet<_> = world.instances.keys().map(|id| id.service.clone()).collect();
    world
        .instances
        .values_mut()
        .for_each(|seen| seen.depends_on = circle.clone());
    assert_eq!(
        shown(&plan(&Goals::default(), &world)),
        ["stop app1.aa.1", "stop app1.bb.1"]
    );
}
