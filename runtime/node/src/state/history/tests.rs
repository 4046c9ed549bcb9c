use super::*;

fn deployment(revision: u64) -> Deployment {
    Deployment::new(revision, 0, BTreeMap::new())
}

/// A history of deployments of rising revisions, with what came of each.
fn history(outcomes: &[Outcome]) -> History {
    let mut history = History::default();
    for (revision, outcome) in (1..).zip(outcomes) {
        history.deploy(deployment(revision), |_| false);
        history.deployments[0].outcome = *outcome;
    }
    history
}

fn revision(deployment: Option<&Deployment>) -> Option<u64> {
    deployment.map(|one| one.revision)
}

use Outcome::{Failed, Good, Pending, Superseded};

#[test]
fn a_candidate_is_wanted_and_the_newest_good_one_is_its_fallback() {
    for (outcomes, candidate, fallback, wanted) in [
        (&[][..], None, None, None),
        (&[Pending], Some(1), None, Some(1)),
        (&[Good], None, Some(1), Some(1)),
        (&[Good, Pending], Some(2), Some(1), Some(2)),
        (&[Good, Failed], None, Some(1), Some(1)),
        (&[Failed], None, None, Some(1)),
        (&[Good, Superseded, Failed, Pending], Some(4), Some(1), Some(4)),
        (&[Good, Good, Failed], None, Some(2), Some(2)),
    ] {
        let history = history(outcomes);
        assert_eq!(
            (
                revision(history.candidate()),
                revision(history.fallback()),
                revision(history.wanted())
            ),
            (candidate, fallback, wanted),
            "{outcomes:?}"
        );
    }
}

#[test]
fn the_last_attempt_that_may_fail_makes_it_failed_where_there_is_something_to_fall_back_on() {
    let mut with = history(&[Good, Pending]);
    assert_eq!(with.attempt_failed(2, "one".into(), 2), Pending);
    assert_eq!(with.attempt_failed(2, "two".into(), 2), Failed);
    assert_eq!(
        (with.deployments[0].attempts, with.deployments[0].reason.as_str()),
        (2, "two")
    );
    assert_eq!(with.attempt_failed(2, "late".into(), 2), Failed, "it is over");
    assert_eq!(with.deployments[0].reason, "two");
    let mut without = history(&[Failed, Pending]);
    for attempts in 1..5 {
        assert_eq!(without.attempt_failed(2, "again".into(), 2), Pending);
        assert_eq!(without.deployments[0].attempts, attempts);
    }
}

#[test]
fn a_failure_of_one_that_was_superseded_is_of_no_interest_and_its_success_is() {
    let mut superseded = history(&[Superseded, Pending]);
    let before = superseded.clone();
    assert_eq!(superseded.attempt_failed(1, "late".into(), 1), Superseded);
    assert_eq!(superseded.attempt_failed(9, "unknown".into(), 1), Superseded);
    assert_eq!(superseded, before);
    assert!(superseded.succeeded(1) && !superseded.succeeded(1) && !superseded.succeeded(9));
    assert_eq!(revision(superseded.fallback()), Some(1));
    assert!(
        !history(&[Good, Failed]).succeeded(2),
        "what has failed stays so until it is tried again"
    );
}

#[test]
fn a_retry_gives_the_newest_its_attempts_back() {
    let mut failed = history(&[Good, Failed]);
    assert!(failed.retry());
    assert_eq!(
        (revision(failed.candidate()), failed.deployments[0].attempts),
        (Some(2), 0)
    );
    assert!(!failed.retry(), "it has all of them");
    failed.attempt_failed(2, "once".into(), 2);
    assert!(failed.retry());
    assert_eq!(
        (failed.deployments[0].attempts, failed.deployments[0].reason.as_str()),
        (0, "")
    );
    assert!(!history(&[Good]).retry() && !history(&[]).retry());
}

#[test]
fn a_new_deployment_supersedes_the_candidate_and_nothing_else() {
    let mut after = history(&[Good, Failed, Pending]);
    after.deploy(deployment(4), |_| false);
    let outcomes: Vec<Outcome> = after.all().iter().map(|one| one.outcome).collect();
    assert_eq!(outcomes, [Pending, Superseded, Failed, Good]);
}

#[test]
fn a_deployment_that_was_never_committed_is_forgotten_and_the_candidate_is_one_again() {
    let before = history(&[Good, Pending]);
    let mut torn = before.clone();
    torn.deploy(deployment(3), |_| true);
    assert!(torn.keep_until(2));
    assert_eq!(torn, before);
    assert!(!torn.keep_until(2));
}

#[test]
fn ten_are_kept_and_always_the_newest_good_one() {
    let mut kept = history(&[Good; 3]);
    for revision in 4..100 {
        kept.deploy(deployment(revision), |_| false);
        kept.trim();
    }
    assert_eq!(kept.all().len(), 10);
    assert_eq!(revision(kept.fallback()), Some(3));
    assert_eq!(revision(kept.all().get(8)), Some(91));
    kept.succeeded(99);
    kept.deploy(deployment(100), |_| false);
    kept.trim();
    assert_eq!(
        revision(kept.all().last()),
        Some(91),
        "the older good one is kept no more"
    );
}

#[test]
fn a_rollback_goes_to_the_good_one_before_the_newest() {
    for (outcomes, before) in [
        (&[Good][..], None),
        (&[Good, Good], Some(1)),
        (&[Good, Failed], Some(1)),
        (&[Good, Superseded, Pending], Some(1)),
        (&[Failed, Pending], None),
    ] {
        assert_eq!(revision(history(outcomes).before()), before, "{outcomes:?}");
    }
}

#[test]
fn where_none_was_good_the_newest_that_was_up_is_put_back_until_one_is_good() {
    let mut quick = history(&[Pending]);
    for (revision, is_up) in [(1, false), (2, true), (3, false)] {
        quick.deploy(deployment(revision + 1), |asked| asked == revision && is_up);
    }
    assert_eq!(
        (revision(quick.fallback()), revision(quick.before())),
        (Some(2), Some(2))
    );
    for _ in 0..2 {
        quick.attempt_failed(4, "it ended".into(), 2);
    }
    assert_eq!(
        (quick.deployments[0].outcome, revision(quick.wanted())),
        (Failed, Some(2))
    );
    let mut good = quick.clone();
    assert!(good.succeeded(3));
    assert_eq!(revision(good.fallback()), Some(3));
    for revision in 5..30 {
        quick.deploy(deployment(revision), |_| false);
        quick.trim();
    }
    assert_eq!((quick.all().len(), revision(quick.fallback())), (10, Some(2)));
}

#[test]
fn an_attempt_for_which_something_was_missing_costs_nothing_and_is_over() {
    let mut history = history(&[Good, Pending]);
    history.attempt_begins(2, "boot");
    history.attempt_hindered(2, "the port is held".into());
    let newest = history.newest().unwrap();
    assert_eq!((newest.attempts, newest.outcome, &newest.tried_in), (0, Pending, &None));
    assert_eq!(newest.reason, "the port is held");
    let before = history.clone();
    history.attempt_hindered(1, "late".into());
    assert_eq!(history, before);
}
