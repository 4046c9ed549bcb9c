//! `accel/1`: an accelerator monitor.

use crate::Report;
use crate::expect::{done, ensure, equal, refused};
use crate::instance::{Shared, call};
use crate::report::Outcome;
use aerolith_plugin_wire::Code;
use aerolith_plugin_wire::accel::{Card, Cards, Client, Release, Reservation, Reserve, Sample, Select};
use std::collections::BTreeSet;

/// An id that no card has.
const NOBODY: &str = "sn:testkit-no-such-card";
/// What is credible of a chip, degrees Celsius.
const TEMPERATURE: std::ops::RangeInclusive<f64> = -60.0..=150.0;
/// What is credible of a board, watts.
const POWER: std::ops::RangeInclusive<f64> = 0.0..=5000.0;

/// Runs the suite on an instance that was started. Cards must not be reserved; they are free again afterwards.
pub async fn run(service: &Shared) -> Report {
    let mut report = Report::default();
    report
        .check("every card has an id of its own, with its scheme", ids(service))
        .await;
    report
        .check(
            "cards have a kind, and an index of their own within it",
            indices(service),
        )
        .await;
    report.check("the same cards are found again", again(service)).await;
    report
        .check("stats without ids are of every card", stats_of_all(service))
        .await;
    report
        .check("stats of one card are of that card alone", stats_of_one(service))
        .await;
    report.check("readings are credible or absent", readings(service)).await;
    report
        .check("stats of an unknown id name it", unknown_stats(service))
        .await;
    report
        .check("a reservation of an unknown id names it", unknown_reserve(service))
        .await;
    report
        .check("reserving twice answers the same", reserved_twice(service))
        .await;
    report
        .check("what is released can be reserved by another", released(service))
        .await;
    report
        .check("a release of what is not reserved is no error", released_twice(service))
        .await;
    report
        .check("a request that is no JSON is invalid", broken(service))
        .await;
    report
}

fn client(service: &Shared) -> Client<Shared> {
    Client(service.clone())
}

async fn cards(service: &Shared) -> std::result::Result<Vec<Card>, String> {
    let Cards { cards, message } = done("fingerprint", client(service).fingerprint().await)?;
    ensure!(
        !cards.is_empty() || !message.is_empty(),
        "there are no cards, and fingerprint does not say why"
    );
    Ok(cards)
}

fn select(ids: &[&str]) -> Select {
    Select {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
    }
}

async fn samples(service: &Shared, ids: &[&str]) -> std::result::Result<Vec<Sample>, String> {
    done(&format!("stats of {ids:?}"), client(service).stats(&select(ids)).await).map(|s| s.samples)
}

async fn ids(service: &Shared) -> Outcome {
    let mut seen = BTreeSet::new();
    for card in cards(service).await? {
        let scheme = card
            .id
            .split_once(':')
            .map(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
        ensure!(
            scheme == Some(true),
            "id `{}` has no scheme: expected such as `uuid:…` or `sn:…`",
            card.id
        );
        ensure!(seen.insert(card.id.clone()), "two cards have the id {}", card.id);
    }
    Ok(())
}

async fn indices(service: &Shared) -> Outcome {
    let mut seen = BTreeSet::new();
    for card in cards(service).await? {
        ensure!(!card.kind.is_empty(), "card {} has no kind", card.id);
        ensure!(
            seen.insert((card.kind.clone(), card.index)),
            "two cards are {} {}",
            card.kind,
            card.index
        );
    }
    Ok(())
}

async fn again(service: &Shared) -> Outcome {
    let facts = |cards: Vec<Card>| -> Vec<_> { cards.into_iter().map(|c| (c.id, c.kind, c.index)).collect() };
    let first = facts(cards(service).await?);
    equal("the second fingerprint", &facts(cards(service).await?), &first)
}

async fn stats_of_all(service: &Shared) -> Outcome {
    let known: BTreeSet<_> = cards(service).await?.into_iter().map(|c| c.id).collect();
    let sampled = samples(service, &[]).await?;
    ensure!(
        sampled.len() == known.len(),
        "there are {} samples of {} cards",
        sampled.len(),
        known.len()
    );
    equal(
        "the set of sampled ids",
        &sampled.into_iter().map(|s| s.id).collect(),
        &known,
    )
}

async fn stats_of_one(service: &Shared) -> Outcome {
    for card in cards(service).await? {
        let ids: Vec<_> = samples(service, &[&card.id]).await?.into_iter().map(|s| s.id).collect();
        equal("the list of sampled ids", &ids, &vec![card.id])?;
    }
    Ok(())
}

async fn readings(service: &Shared) -> Outcome {
    for card in cards(service).await? {
        for sample in samples(service, &[&card.id]).await? {
            credible(&card, &sample).map_err(|why| format!("card {}: {why}", card.id))?;
        }
    }
    Ok(())
}

fn credible(card: &Card, sample: &Sample) -> Outcome {
    let within = |name: &str, reading: Option<f64>, range: &std::ops::RangeInclusive<f64>| match reading {
        Some(value) if !range.contains(&value) => Err(format!("{name} is {value}: expected {range:?}")),
        _ => Ok(()),
    };
    within("utilization", sample.utilization, &(0.0..=1.0))?;
    within("temperature_celsius", sample.temperature_celsius, &TEMPERATURE)?;
    within("power_watts", sample.power_watts, &POWER)?;
    if let (Some(used), Some(all)) = (sample.memory_used_bytes, card.memory_bytes) {
        ensure!(used <= all, "memory_used_bytes is {used} of {all}");
    }
    let given = [
        ("utilization", sample.utilization.is_some()),
        ("memory_used_bytes", sample.memory_used_bytes.is_some()),
        ("temperature_celsius", sample.temperature_celsius.is_some()),
        ("power_watts", sample.power_watts.is_some()),
    ];
    for (name, given) in given {
        let absent = sample.absent.get(name);
        ensure!(
            !given || absent.is_none(),
            "{name} is given, and absent because {absent:?}"
        );
    }
    Ok(())
}

async fn unknown_stats(service: &Shared) -> Outcome {
    refused(
        "stats",
        client(service).stats(&select(&[NOBODY])).await,
        Code::NotFound,
        NOBODY,
    )?;
    for card in cards(service).await? {
        let mixed = select(&[&card.id, NOBODY]);
        refused(
            "stats of a card and of nobody",
            client(service).stats(&mixed).await,
            Code::NotFound,
            NOBODY,
        )?;
    }
    Ok(())
}

fn wish(instance: &str, ids: &[String]) -> Reserve {
    Reserve {
        instance: instance.into(),
        ids: ids.to_vec(),
    }
}

async fn reserve(service: &Shared, instance: &str, ids: &[String]) -> std::result::Result<Reservation, String> {
    let reserved = client(service).reserve(&wish(instance, ids)).await;
    done(&format!("reserve of {ids:?} for {instance}"), reserved)
}

async fn release(service: &Shared, instance: &str) -> Outcome {
    done(
        &format!("release of {instance}"),
        client(service)
            .release(&Release {
                instance: instance.into(),
            })
            .await,
    )
}

async fn unknown_reserve(service: &Shared) -> Outcome {
    let mut ids: Vec<_> = cards(service).await?.into_iter().map(|c| c.id).collect();
    ids.push(NOBODY.into());
    let reserved = client(service).reserve(&wish("testkit.a.1", &ids)).await;
    refused("reserve", reserved, Code::NotFound, NOBODY)?;
    // Nothing of a reservation that failed is left: another can have the cards.
    ids.pop();
    reserve(service, "testkit.b.1", &ids).await?;
    release(service, "testkit.b.1").await
}

async fn reserved_twice(service: &Shared) -> Outcome {
    for card in cards(service).await? {
        let ids = [card.id];
        let first = reserve(service, "testkit.a.1", &ids).await?;
        equal(
            "the second reservation",
            &reserve(service, "testkit.a.1", &ids).await?,
            &first,
        )?;
        release(service, "testkit.a.1").await?;
    }
    Ok(())
}

async fn released(service: &Shared) -> Outcome {
    let ids: Vec<_> = cards(service).await?.into_iter().map(|c| c.id).collect();
    for instance in ["testkit.a.1", "testkit.b.1"] {
        reserve(service, instance, &ids).await?;
        release(service, instance).await?;
    }
    Ok(())
}

async fn released_twice(service: &Shared) -> Outcome {
    for _ in 0..2 {
        release(service, "testkit.never-reserved.1").await?;
    }
    Ok(())
}

async fn broken(service: &Shared) -> Outcome {
    for method in ["accel/1.stats", "accel/1.reserve", "accel/1.release"] {
        for request in [&b"{\"ids\":"[..], b"[1]", b"\"\xff\"", b"{} {}"] {
            let shown = String::from_utf8_lossy(request);
            refused(
                &format!("{method} of `{shown}`"),
                call(service, method, request).await,
                Code::Invalid,
                "",
            )?;
        }
    }
    Ok(())
}
