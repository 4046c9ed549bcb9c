use super::*;
use aerolith_model::GoDuration;
use proptest::prelude::*;

/// The random number that makes a delay neither longer nor shorter.
const MIDDLE: u64 = u64::MAX / 2;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn rule(policy: RestartPolicy, limit: Option<u32>) -> Rule {
    Rule {
        policy,
        limit,
        forgets: true,
        once: false,
        backoff: Backoff::default(),
    }
}

/// Started at 100 s.
fn started(rule: Rule) -> Policy {
    let mut policy = Policy::new(rule, Row::default());
    policy.started(seconds(100));
    policy
}

fn policy(policy: RestartPolicy, limit: Option<u32>) -> Policy {
    started(rule(policy, limit))
}

/// An end of what has worked till then.
fn end(policy: &mut Policy, exit: Exit, now: Duration) -> Decision {
    policy.decide(exit, now, now, MIDDLE)
}

fn near(decision: &Decision, wanted: f64) -> bool {
    matches!(decision, Decision::Restart { after } if (after.as_secs_f64() - wanted).abs() < 0.001)
}

#[test]
fn each_policy_decides_as_its_name_says() {
    for (exit, on_failure) in [
        (Exit::Code(0), false),
        (Exit::Code(1), true),
        (Exit::Signal(9), true),
        (Exit::OutOfMemory, true),
        (Exit::Unfit, true),
        (Exit::Unknown, true),
    ] {
        let first = |of| end(&mut policy(of, None), exit, seconds(101));
        assert_eq!(first(RestartPolicy::No), Decision::Done);
        assert!(near(&first(RestartPolicy::Always), 1.0));
        match on_failure {
            true => assert!(near(&first(RestartPolicy::OnFailure), 1.0)),
            false => assert_eq!(first(RestartPolicy::OnFailure), Decision::Done),
        }
    }
}

#[test]
fn early_ends_wait_1_2_4_seconds_up_to_the_maximum() {
    let mut policy = policy(RestartPolicy::Always, None);
    for wanted in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0] {
        let decision = end(&mut policy, Exit::Code(1), seconds(101));
        assert!(near(&decision, wanted), "{decision:?}, not {wanted}");
    }
    for _ in 0..100 {
        assert!(near(&end(&mut policy, Exit::Code(1), seconds(101)), 300.0));
    }
}

#[test]
fn who_was_up_long_enough_is_restarted_at_once_and_its_row_begins_anew() {
    let mut policy = policy(RestartPolicy::Always, None);
    for _ in 0..5 {
        end(&mut policy, Exit::Code(1), seconds(101));
    }
    policy.started(seconds(200));
    assert!(near(&end(&mut policy, Exit::Code(1), seconds(209)), 32.0));
    policy.started(seconds(300));
    let at_once = Decision::Restart { after: Duration::ZERO };
    assert_eq!(end(&mut policy, Exit::Code(1), seconds(310)), at_once);
    policy.started(seconds(310));
    assert!(near(&end(&mut policy, Exit::Code(1), seconds(311)), 1.0));
    assert_eq!(policy.restarts(), 2, "the one at once counts too");
}

#[test]
fn a_time_in_which_it_did_not_work_is_no_healthy_time() {
    let mut policy = policy(RestartPolicy::Always, Some(2));
    for restart in 0..2 {
        let decision = policy.decide(Exit::Unfit, seconds(103), seconds(160), MIDDLE);
        assert!(near(&decision, f64::from(1 << restart)), "{decision:?}");
    }
    let decision = policy.decide(Exit::Unfit, seconds(103), seconds(160), MIDDLE);
    assert!(matches!(decision, Decision::GiveUp { .. }));
}

#[test]
fn a_limit_of_three_gives_up_at_the_fourth_end() {
    let mut policy = policy(RestartPolicy::OnFailure, Some(3));
    for _ in 0..3 {
        let decision = end(&mut policy, Exit::Code(1), seconds(101));
        assert!(matches!(decision, Decision::Restart { .. }));
    }
    let Decision::GiveUp { why } = end(&mut policy, Exit::Signal(11), seconds(101)) else {
        panic!("{policy:?}")
    };
    assert_eq!(
        why.to_string(),
        "ended again after 3 restarts, which is the limit; at last by signal 11"
    );
    policy.forget();
    assert!(near(&end(&mut policy, Exit::Code(1), seconds(101)), 1.0));
}

#[test]
fn a_healthy_time_forgets_restarts_but_not_those_of_a_job() {
    let mut service = policy(RestartPolicy::OnFailure, Some(1));
    let mut job = started(Rule {
        forgets: false,
        ..service.rule
    });
    for policy in [&mut service, &mut job] {
        end(policy, Exit::Code(1), seconds(101));
        policy.started(seconds(102));
    }
    let decision = end(&mut service, Exit::Code(1), seconds(200));
    assert!(matches!(decision, Decision::Restart { .. }));
    let decision = end(&mut job, Exit::Code(1), seconds(200));
    assert!(matches!(decision, Decision::GiveUp { .. }));
}

#[test]
fn a_new_rule_is_followed_and_restarts_made_still_count() {
    let mut policy = policy(RestartPolicy::Always, None);
    end(&mut policy, Exit::Code(1), seconds(101));
    policy.follow(Rule {
        limit: Some(1),
        ..policy.rule
    });
    assert_eq!(policy.restarts(), 1);
    let decision = end(&mut policy, Exit::Code(1), seconds(101));
    assert!(matches!(decision, Decision::GiveUp { .. }));
}

#[test]
fn a_delay_that_was_going_on_is_waited_to_its_end_by_whoever_takes_it_up() {
    let mut policy = policy(RestartPolicy::Always, None);
    end(&mut policy, Exit::Code(1), seconds(101));
    end(&mut policy, Exit::Code(1), seconds(103));
    let mut again = Policy::new(policy.rule, reload(policy.row));
    let left = again.rest(seconds(104)).as_secs_f64();
    assert!((left - 1.0).abs() < 0.001, "{left}");
    assert_eq!(again.rest(seconds(1_000)), Duration::ZERO);
    assert!(near(&end(&mut again, Exit::Code(1), seconds(106)), 4.0));
}

fn job(config: &str) -> Rule {
    let json = format!(r#"{{"name":"count","workload":"job"{config},"services":[{{"name":"main","image":"a"}}]}}"#);
    let job: Application = serde_json::from_str(&json).unwrap();
    Rule::of(&job, &job.services[0])
}

#[test]
fn a_job_runs_to_completion() {
    let rule = job("");
    assert_eq!(
        (rule.policy, rule.limit, rule.once),
        (RestartPolicy::OnFailure, Some(DEFAULT_BACKOFF_LIMIT), true)
    );
    let mut policy = started(job(r#","jobConfig":{"backoffLimit":0}"#));
    assert_eq!(end(&mut policy.clone(), Exit::Code(0), seconds(101)), Decision::Done);
    let decision = end(&mut policy, Exit::Code(1), seconds(101));
    assert!(matches!(decision, Decision::GiveUp { .. }));
}

fn reload(row: Row) -> Row {
    serde_json::from_str(&serde_json::to_string(&row).unwrap()).unwrap()
}

/// What may happen to an instance.
#[derive(Debug, Clone)]
enum Event {
    Start,
    End { exit: Exit, chance: u64 },
    Pass(Duration),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let exits = prop_oneof![
        Just(Exit::Code(0)),
        Just(Exit::Code(1)),
        Just(Exit::Signal(9)),
        Just(Exit::OutOfMemory),
        Just(Exit::Unfit),
        Just(Exit::Unknown),
    ];
    let event = prop_oneof![
        Just(Event::Start),
        (exits, any::<u64>()).prop_map(|(exit, chance)| Event::End { exit, chance }),
        (0_u64..30_000).prop_map(|ms| Event::Pass(Duration::from_millis(ms))),
    ];
    prop::collection::vec(event, 1..60)
}

fn rules() -> impl Strategy<Value = Rule> {
    let policies = prop_oneof![
        Just(RestartPolicy::Always),
        Just(RestartPolicy::OnFailure),
        Just(RestartPolicy::No)
    ];
    let backoffs = (1_u64..100, 0_u64..1_000, 1.0_f64..10.0).prop_map(|(min, more, factor)| Backoff {
        min: GoDuration::from_secs(min),
        max: GoDuration::from_secs(min + more),
        factor,
    });
    (policies, prop::option::of(0_u32..5), any::<bool>(), backoffs).prop_map(|(policy, limit, forgets, backoff)| Rule {
        policy,
        limit,
        forgets,
        once: false,
        backoff,
    })
}

proptest! {
    #[test]
    fn a_delay_is_never_outside_its_limits_however_often_it_was_tried(
        earlier in prop_oneof![0_u64..200, Just(1_000_000), Just(u64::MAX), any::<u64>()],
        chance in any::<u64>(),
        rule in rules(),
    ) {
        let delay = rule.delay(earlier, chance);
        prop_assert!(delay >= rule.backoff.min.0 && delay <= rule.backoff.max.0);
        let exact = rule.delay(earlier, MIDDLE).as_secs_f64();
        prop_assert!((delay.as_secs_f64() - exact).abs() <= exact * (JITTER + 1e-9));
        prop_assert!(rule.delay(earlier.saturating_add(1), MIDDLE) >= rule.delay(earlier, MIDDLE));
    }

    #[test]
    fn a_history_goes_on_alike_when_it_is_taken_up_at_any_step(rule in rules(), events in events()) {
        let mut policy = Policy::new(rule, Row::default());
        let mut now = seconds(5);
        let mut in_a_row = 0_u32;
        for event in events {
            let mut taken_up = Policy::new(rule, reload(policy.row()));
            match event {
                Event::Start => {
                    policy.started(now);
                    taken_up.started(now);
                }
                Event::Pass(time) => now += time,
                Event::End { exit, chance } => {
                    let decision = policy.decide(exit, now, now, chance);
                    prop_assert_eq!(&decision, &taken_up.decide(exit, now, now, chance));
                    let was_healthy = now - policy.since() >= HEALTHY_AFTER;
                    in_a_row = if was_healthy && rule.forgets { 0 } else { in_a_row };
                    match decision {
                        Decision::Restart { after } => {
                            in_a_row += 1;
                            prop_assert!(rule.limit.is_none_or(|limit| in_a_row <= limit));
                            prop_assert!(was_healthy == after.is_zero());
                            prop_assert!(was_healthy || after >= rule.backoff.min.0 && after <= rule.backoff.max.0);
                        }
                        Decision::GiveUp { why } => prop_assert_eq!(Some(why.restarts), rule.limit),
                        Decision::Done => prop_assert!(
                            rule.policy == RestartPolicy::No || exit.is_success() && rule.policy == RestartPolicy::OnFailure
                        ),
                    }
                }
            }
            prop_assert_eq!(policy.row(), taken_up.row());
        }
    }
}

#[test]
fn the_millionth_restart_waits_as_long_as_the_hundredth() {
    let mut policy = policy(RestartPolicy::Always, None);
    for attempt in 1..=1_000_000_u32 {
        let Decision::Restart { after } = policy.decide(Exit::Code(1), seconds(101), seconds(101), u64::from(attempt))
        else {
            panic!("it gave up at {attempt}")
        };
        assert!(after >= seconds(1) && after <= seconds(300), "{attempt}: {after:?}");
        assert!(attempt < 12 || after >= seconds(270), "{attempt}: {after:?}");
    }
}
