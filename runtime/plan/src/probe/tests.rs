use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const WINDOW: Duration = Duration::from_secs(10);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Every 10 s, bad after three.
fn probe(more: &str) -> Probe {
    serde_json::from_str(&format!(r#"{{"tcpSocket":{{"port":80}}{more}}}"#)).unwrap()
}

fn health(probes: Probes) -> Health {
    Health::new(probes, WINDOW, Duration::ZERO, false, Duration::ZERO)
}

fn kinds(asked: &[(Kind, Probe)]) -> Vec<Kind> {
    asked.iter().map(|(kind, _)| *kind).collect()
}

/// Asks at a time, and gives everything that is asked the same answer at once.
fn step(health: &mut Health, now: u64, answer: Answer) -> Result<Vec<Kind>, Unfit> {
    let asked = kinds(&health.ask(seconds(now)));
    for kind in &asked {
        health.answer(*kind, answer, seconds(now))?;
    }
    Ok(asked)
}

#[test]
fn what_is_not_asked_is_ready_at_once_and_healthy_after_its_window() {
    let mut health = health(Probes::default());
    assert_eq!(health.look(seconds(0)), Fitness::Ready);
    assert_eq!(health.next(seconds(0)), Some(WINDOW));
    assert_eq!(health.look(seconds(9)), Fitness::Ready);
    assert_eq!(health.look(seconds(10)), Fitness::Healthy);
    assert_eq!(health.next(seconds(10)), None);
}

#[test]
fn startup_gates_the_others_and_a_slow_starter_is_not_ended() {
    let probes = Probes {
        startup: Some(probe(r#","failureThreshold":30"#)),
        liveness: Some(probe("")),
        readiness: Some(probe(r#","periodSeconds":1"#)),
    };
    let mut health = health(probes);
    for now in (0..290).step_by(10) {
        assert_eq!(step(&mut health, now, Answer::Bad).unwrap(), [Kind::Startup]);
        assert_eq!(health.look(seconds(now)), Fitness::Started);
    }
    assert_eq!(step(&mut health, 290, Answer::Good).unwrap(), [Kind::Startup]);
    assert!(health.has_begun());
    let both = [Kind::Liveness, Kind::Readiness];
    assert_eq!(step(&mut health, 290, Answer::Good).unwrap(), both);
    assert_eq!(health.look(seconds(290)), Fitness::Ready);
    assert_eq!(
        step(&mut health, 300, Answer::Good).unwrap(),
        both,
        "startup is not asked again"
    );
}

proptest! {
    #[test]
    fn who_never_answers_a_liveness_probe_is_ended_before_it_can_be_taken_for_healthy(
        delay in 0_u32..100, period in 1_u32..30, threshold in 1_u32..10, timeout in 1_u32..60, begun in 0_u64..100,
    ) {
        let liveness = probe(&format!(
            r#","initialDelaySeconds":{delay},"periodSeconds":{period},"timeoutSeconds":{timeout},"failureThreshold":{threshold}"#
        ));
        let probes = Probes { liveness: Some(liveness), ..Probes::default() };
        let window = probes.found_out_after();
        let mut health = Health::new(probes, window, Duration::ZERO, true, seconds(begun));
        let mut now = begun;
        loop {
            prop_assert!(health.look(seconds(now)) < Fitness::Healthy, "at {now} s");
            let asked = health.ask(seconds(now));
            if !asked.is_empty() {
                now += u64::from(timeout);
                if health.answer(Kind::Liveness, Answer::Bad, seconds(now)).is_err() {
                    break;
                }
            }
            now = health.next(seconds(now)).unwrap().as_secs().max(now);
        }
        prop_assert!(now <= begun + window.as_secs());
    }
}

#[test]
fn a_startup_that_never_comes_ends_it_at_the_threshold() {
    let startup = Some(probe(r#","periodSeconds":2,"failureThreshold":2"#));
    let mut health = health(Probes {
        startup,
        ..Probes::default()
    });
    step(&mut health, 0, Answer::Bad).unwrap();
    let unfit = step(&mut health, 2, Answer::Bad).unwrap_err();
    assert_eq!((unfit.kind, unfit.times), (Kind::Startup, 2));
    assert_eq!(health.worked(), Duration::ZERO, "it never worked");
}

#[test]
fn liveness_ends_it_only_after_bad_answers_in_a_row_and_says_until_when_it_worked() {
    let liveness = Some(probe(r#","initialDelaySeconds":5"#));
    let mut health = health(Probes {
        liveness,
        ..Probes::default()
    });
    assert_eq!(health.next(seconds(0)), Some(seconds(5)));
    for (now, answer) in [
        (5, Answer::Good),
        (15, Answer::Bad),
        (25, Answer::Bad),
        (35, Answer::Good),
        (45, Answer::Bad),
        (55, Answer::Bad),
    ] {
        assert_eq!(step(&mut health, now, answer).unwrap(), [Kind::Liveness]);
    }
    let unfit = step(&mut health, 65, Answer::Bad).unwrap_err();
    assert_eq!(
        (unfit.kind, unfit.times, health.worked()),
        (Kind::Liveness, 3, seconds(35))
    );
}

#[test]
fn readiness_ends_nothing_and_interrupts_the_window() {
    let readiness = Some(probe(r#","periodSeconds":4,"failureThreshold":1,"successThreshold":2"#));
    let mut health = health(Probes {
        readiness,
        ..Probes::default()
    });
    step(&mut health, 0, Answer::Good).unwrap();
    assert_eq!(health.look(seconds(0)), Fitness::Started, "one good answer is not two");
    for (now, answer, fitness) in [
        (4, Answer::Good, Fitness::Ready),
        (8, Answer::Good, Fitness::Ready),
        (12, Answer::Bad, Fitness::Started),
        (16, Answer::Good, Fitness::Started),
        (20, Answer::Good, Fitness::Ready),
        (24, Answer::Good, Fitness::Ready),
        (28, Answer::Good, Fitness::Ready),
        (32, Answer::Good, Fitness::Healthy),
    ] {
        step(&mut health, now, answer).unwrap();
        assert_eq!(health.look(seconds(now)), fitness, "{now}");
    }
}

#[test]
fn a_hanging_question_is_alone_and_makes_old_answers_stale() {
    let readiness = Some(probe(r#","periodSeconds":1,"timeoutSeconds":60"#));
    let mut health = health(Probes {
        readiness,
        ..Probes::default()
    });
    step(&mut health, 0, Answer::Good).unwrap();
    assert_eq!(health.ask(seconds(1)).len(), 1);
    for now in 2..60 {
        assert_eq!(health.ask(seconds(now)), []);
        let fitness = if now < 3 { Fitness::Ready } else { Fitness::Started };
        assert_eq!(health.look(seconds(now)), fitness, "{now}");
    }
    health.answer(Kind::Readiness, Answer::Good, seconds(60)).unwrap();
    assert_eq!(health.look(seconds(60)), Fitness::Ready);
    assert_eq!(health.ask(seconds(60)).len(), 1, "the next comes at once, and only one");
}

#[test]
fn what_could_not_be_asked_counts_for_nothing() {
    let liveness = Some(probe(""));
    let mut health = health(Probes {
        liveness,
        ..Probes::default()
    });
    for now in (0..1_000).step_by(10) {
        assert_eq!(step(&mut health, now, Answer::Unasked).unwrap(), [Kind::Liveness]);
    }
    assert_eq!((health.look(seconds(1_000)), health.heard()), (Fitness::Started, None));
}

#[test]
fn after_a_restart_of_the_node_it_is_ready_when_a_probe_says_so() {
    let probes = Probes {
        startup: Some(probe("")),
        readiness: Some(probe("")),
        ..Probes::default()
    };
    let mut health = Health::new(probes, WINDOW, seconds(10), true, seconds(500));
    assert_eq!(health.look(seconds(500)), Fitness::Started);
    assert_eq!(step(&mut health, 500, Answer::Good).unwrap(), [Kind::Readiness]);
    assert_eq!(health.look(seconds(500)), Fitness::Ready);
}

#[test]
fn other_probes_are_followed_and_what_is_known_stays_known() {
    let readiness = |more| Probes {
        readiness: Some(probe(more)),
        ..Probes::default()
    };
    let mut health = health(readiness(""));
    step(&mut health, 0, Answer::Good).unwrap();
    assert_eq!(health.ask(seconds(10)).len(), 1);
    health.follow(readiness(r#","failureThreshold":9"#), WINDOW, seconds(10));
    assert_eq!(
        health.look(seconds(10)),
        Fitness::Healthy,
        "the same question was answered"
    );
    assert_eq!(health.ask(seconds(10)).len(), 1, "the one under way is void");
    let other: Probe = serde_json::from_str(r#"{"exec":{"command":["a"]}}"#).unwrap();
    let other = Probes {
        readiness: Some(other),
        ..Probes::default()
    };
    health.follow(other, WINDOW, seconds(11));
    assert_eq!(
        health.look(seconds(11)),
        Fitness::Started,
        "nobody has answered that yet"
    );
    health.follow(Probes::default(), WINDOW, seconds(12));
    assert_eq!(health.look(seconds(12)), Fitness::Healthy);
}

fn probes() -> impl Strategy<Value = Option<Probe>> {
    let numbers = (0_u32..20, 1_u32..8, 1_u32..4, 1_u32..4);
    prop::option::of(numbers.prop_map(|(delay, period, good, bad)| {
        probe(&format!(
            r#","initialDelaySeconds":{delay},"periodSeconds":{period},"successThreshold":{good},"failureThreshold":{bad}"#
        ))
    }))
}

/// What an observer that only sees questions and answers knows of one probe.
#[derive(Default)]
struct Seen {
    under_way: bool,
    began: Option<Duration>,
    good: u32,
    bad: u32,
    heard: Option<Duration>,
}

proptest! {
    #[test]
    fn whatever_is_answered_the_thresholds_and_the_one_in_flight_hold(
        (startup, liveness, readiness) in (probes(), probes(), probes()),
        steps in prop::collection::vec((0_u64..5_000, any::<prop::sample::Index>(), 0_u8..5), 1..200),
    ) {
        let probes = Probes { startup, liveness, readiness };
        let mut health = health(probes.clone());
        let mut seen: BTreeMap<Kind, Seen> = BTreeMap::new();
        let (mut now, mut ready_for) = (Duration::ZERO, None);
        for (pass, which, answer) in steps {
            now += Duration::from_millis(pass);
            let fitness = health.look(now);
            ready_for = (fitness > Fitness::Started).then(|| ready_for.unwrap_or(now));
            for (kind, probe) in health.ask(now) {
                let known = seen.entry(kind).or_default();
                prop_assert!(!known.under_way, "one in flight");
                prop_assert!(now >= seconds(probe.initial_delay_seconds.into()));
                prop_assert!(known.began.is_none_or(|began| now - began >= seconds(probe.period_seconds.get().into())));
                prop_assert!(kind == Kind::Startup || health.has_begun(), "startup gates the others");
                (known.under_way, known.began) = (true, Some(now));
            }
            let under_way: Vec<Kind> = seen.iter().filter(|(_, s)| s.under_way).map(|(kind, _)| *kind).collect();
            if !under_way.is_empty() && answer < 4 {
                let kind = *which.get(&under_way);
                let answer = [Answer::Good, Answer::Bad, Answer::Bad, Answer::Unasked][usize::from(answer)];
                let known = seen.get_mut(&kind).unwrap();
                known.under_way = false;
                match answer {
                    Answer::Good => (known.good, known.bad, known.heard) = (known.good + 1, 0, Some(now)),
                    Answer::Bad => (known.good, known.bad, known.heard) = (0, known.bad + 1, Some(now)),
                    Answer::Unasked => {}
                }
                let threshold = probes.get(kind).unwrap().failure_threshold.get();
                let unfit = health.answer(kind, answer, now).is_err();
                prop_assert_eq!(unfit, kind != Kind::Readiness && answer == Answer::Bad && known.bad >= threshold);
                if unfit {
                    return Ok(());
                }
            }
            let fitness = health.look(now);
            if let Some(probe) = probes.readiness.as_ref().filter(|_| fitness > Fitness::Started) {
                let heard = seen[&Kind::Readiness].heard.unwrap();
                prop_assert!(now - heard < seconds(probe.period_seconds.get().into()) * FRESH, "an old answer counts");
            }
            prop_assert!(fitness < Fitness::Healthy || ready_for.is_some_and(|since| now - since + Duration::from_millis(5_000) >= WINDOW));
            let silent = health.has_begun() && probes.liveness.is_none() && probes.readiness.is_none();
            prop_assert!(silent || health.next(now).is_some() || !under_way.is_empty(), "it never sleeps for ever");
        }
    }
}
