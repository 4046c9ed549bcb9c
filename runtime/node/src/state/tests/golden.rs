//! Folders as older releases left them; what they hold is told in runtime/node/tests/golden.rs.

use std::path::Path;

use super::seen::in_memory;
use super::*;
use crate::desired::{Resources, anew};
use crate::durable::crash::{self, Syncs};
use crate::state::head::Found;

pub(super) fn folder(schema: u64) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/golden/state/{schema}"))
}

fn copied(schema: u64) -> tempfile::TempDir {
    let dir = in_memory();
    copy(&folder(schema).join("data"), dir.path());
    dir
}

const VERSIONS: [&str; 8] = [
    "application/camera@2",
    "application/migrate@2",
    "application/weather@5",
    "configuration/camera@2",
    "configuration/weather-agent@1",
    "configuration/weather-conf@5",
    "secret/camera-login@2",
    "secret/cert@1",
];

fn versions<'a>(all: impl IntoIterator<Item = (&'a ResourceId, u64)>) -> Vec<String> {
    all.into_iter()
        .map(|(id, revision)| format!("{id}@{revision}"))
        .collect()
}

/// What is in the files of schema 1, read without any of the code that is tested.
fn resources() -> Resources {
    let files = VERSIONS.map(|version| folder(1).join(format!("data/state/{version}.json")));
    let all = files.map(|file| serde_json::from_slice::<Resource>(&fs::read(file).unwrap()).unwrap());
    all.into_iter()
        .map(|resource| (ResourceId::of(&resource), Arc::new(resource)))
        .collect()
}

fn check(state: &State) {
    assert_eq!((state.revision(), state.damaged()), (5, &[][..]));
    let revisions = state.revisions();
    assert_eq!(
        versions(revisions.iter().map(|(id, revision)| (id, *revision))),
        VERSIONS
    );
    assert_eq!(state.resources(), &resources());
    let history = |name: &str| {
        let newest = &state.history(name)[0];
        let parts = newest.parts.iter().map(|(id, version)| (id, version.revision));
        assert!(state.parts(newest).is_ok());
        versions(parts)
    };
    assert_eq!(
        history("camera"),
        [
            "application/camera@2",
            "configuration/camera@2",
            "secret/camera-login@2"
        ]
    );
    assert_eq!(
        history("migrate"),
        ["application/migrate@2", "configuration/weather-agent@1"]
    );
    assert_eq!(
        history("weather"),
        [
            "application/weather@5",
            "configuration/weather-agent@1",
            "configuration/weather-conf@5",
            "secret/cert@1"
        ]
    );
}

/// What runs would be replaced if one of these changed. What is fetched is another where it is resolved.
#[test]
fn a_service_has_the_fingerprint_that_every_release_gave_it() {
    for schema in [1, 2] {
        let state = open(&copied(schema));
        let (goals, failures) = anew(state.resources());
        assert!(failures.is_empty(), "{failures:?}");
        let found = goals
            .values()
            .flat_map(|generation| generation.iter())
            .map(|(id, goal)| format!("{id} {}", goal.fingerprint));
        let found: Vec<String> = found.filter(|line| !line.starts_with("camera")).collect();
        assert_eq!(
            found,
            [
                "migrate.once bf3fbfd3ad5f77aa762a7034e758bc750291ed7b3d2675868b1a1a604e18a5e5",
                "weather.agent 4a5db78baa96e4d1d0a6a067af8863bd4ac130c391ff6673c69abb395340aa4c",
                "weather.view dcab3908154f537ca100931a21d092cf8845776eac765a89888a0fd2aa3b33e3"
            ]
        );
    }
}

#[test]
fn the_first_schema_is_taken_over_what_is_in_force_was_good_and_secrets_are_sealed() {
    let dir = copied(1);
    let state = open(&dir);
    check(&state);
    for name in ["camera", "migrate", "weather"] {
        let [only] = state.history(name) else {
            panic!("{:?}", state.history(name))
        };
        assert_eq!((only.outcome, only.attempts), (Outcome::Good, 0));
    }
    assert_eq!(state.history("weather")[0].revision, 5);
    assert_eq!(files(&dir, "secret"), ["camera-login@2.sealed", "cert@1.sealed"]);
    let again = open(&dir);
    assert!(
        seen(&again) == seen(&state),
        "{}",
        differences(&seen(&again), &seen(&state))
    );
    assert!(matches!(head::read(&dir.path().join("state")), Ok(Found::Current(_))));
}

#[test]
fn the_first_schema_without_its_head_is_taken_over_too() {
    let dir = copied(1);
    fs::write(dir.path().join("state/head.json"), "{").unwrap();
    let state = open(&dir);
    assert_eq!((state.resources(), state.damaged().len()), (&resources(), 1));
    assert_eq!(state.fallback("weather"), state.wanted("weather"));
    check(&open(&dir));
}

#[test]
fn the_second_schema_is_read_as_it_was_written() {
    let dir = copied(2);
    let state = open(&dir);
    check(&state);
    let outcomes: Vec<_> = state
        .history("weather")
        .iter()
        .map(|one| (one.revision, one.outcome))
        .collect();
    assert_eq!(outcomes, [(5, Outcome::Pending), (1, Outcome::Superseded)]);
    let first = state.parts(&state.history("weather")[1]).unwrap();
    let Resource::Configuration(conf) = &*first[&id("configuration/weather-conf")] else {
        panic!("no configuration")
    };
    assert_eq!(conf.version, "5m");
    let again = open(&dir);
    assert!(
        seen(&again) == seen(&state),
        "{}",
        differences(&seen(&again), &seen(&state))
    );
}

#[test]
fn a_crash_or_a_power_cut_at_any_step_of_taking_over_leaves_one_schema_or_the_other_whole() {
    const ALL: usize = 1_000_000;
    let mut both = [0, 0];
    for works in 0.. {
        let dir = copied(1);
        crash::watch(dir.path(), Syncs::Work);
        crash::after(works, ALL);
        let opened = State::open(dir.path().join("state"), dir.path().join("node.key"));
        let came = crash::disarm(ALL);
        let cut = in_memory();
        let left = crash::watched().after_cut(&mut fastrand::Rng::with_seed(works as u64));
        left.build(cut.path());
        if !came {
            check(&opened.unwrap());
            check(&open(&cut));
            break;
        }
        for dir in [dir, cut] {
            both[usize::from(is_taken_over(&dir.path().join("state")))] += 1;
            check(&open(&dir));
            check(&open(&dir));
        }
    }
    assert!(both[0] > 20 && both[1] > 2, "{both:?}");
}

/// Whether a state is of this schema. If it is of the first, the release before finds all that its head names.
fn is_taken_over(state: &Path) -> bool {
    let plain = folder(1).join("data/state");
    match head::read(state).unwrap() {
        Found::First(_) => {
            for version in VERSIONS {
                let file = format!("{version}.json");
                assert_eq!(
                    fs::read(state.join(&file)).unwrap(),
                    fs::read(plain.join(&file)).unwrap()
                );
            }
            false
        }
        Found::Current(_) => true,
        Found::Absent | Found::Damaged(_) => panic!("no head in {}", state.display()),
    }
}
