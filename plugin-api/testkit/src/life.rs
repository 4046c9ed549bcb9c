//! The life of an instance, `plugin/1`: what every plugin does, whatever it offers.

use crate::Report;
use crate::expect::{done, ensure, refused, told};
use crate::instance::{Shared, call, gone, life};
use crate::report::Outcome;
use aerolith_plugin_wire::{Code, Result};

/// Text that is no JSON.
const BROKEN: &str = "{\"cards\":";

/// Runs the suite. `make` creates an instance from the text of a configuration, with nothing inherited; `config` is a
/// configuration that works. Each check has an instance of its own.
pub async fn run(config: &str, make: impl AsyncFn(&str) -> Result<Shared>) -> Report {
    let mut report = Report::default();
    report
        .check(
            "a configuration that is no JSON is refused as invalid",
            broken_config(&make),
        )
        .await;
    report
        .check("it starts and stops", with(config, &make, started_and_stopped))
        .await;
    report
        .check("it stops without having started", with(config, &make, stopped))
        .await;
    report
        .check("stopping twice is no error", with(config, &make, stopped_twice))
        .await;
    report
        .check(
            "an unknown method is unimplemented, by name",
            with(config, &make, unknown_methods),
        )
        .await;
    report
        .check("an unknown item is unimplemented", with(config, &make, unknown_items))
        .await;
    report
        .check(
            "it reloads, or says that it cannot",
            with(config, &make, async |s| reloaded(s, config).await),
        )
        .await;
    report
        .check(
            "a reload that is no JSON is refused and harms nothing",
            with(config, &make, async |s| broken_reload(s, config).await),
        )
        .await;
    report
        .check("it drains and resumes", with(config, &make, drained_and_resumed))
        .await;
    report
        .check("it stops after it drained", with(config, &make, drained_and_stopped))
        .await;
    report
        .check("two instances live side by side", beside(config, &make))
        .await;
    report
}

async fn with(
    config: &str,
    make: &impl AsyncFn(&str) -> Result<Shared>,
    check: impl AsyncFnOnce(&Shared) -> Outcome,
) -> Outcome {
    let service = done("create", make(config).await)?;
    let outcome = check(&service).await;
    gone(service).await;
    outcome
}

async fn broken_config(make: &impl AsyncFn(&str) -> Result<Shared>) -> Outcome {
    match make(BROKEN).await {
        Ok(service) => {
            gone(service).await;
            Err(format!("create took `{BROKEN}`"))
        }
        Err(e) if e.code == Code::Invalid => Ok(()),
        Err(e) => Err(format!("create answered {}: expected Invalid", told(&e))),
    }
}

async fn started_and_stopped(service: &Shared) -> Outcome {
    done("start", life(service).start().await)?;
    stopped(service).await
}

async fn stopped(service: &Shared) -> Outcome {
    done("stop", life(service).stop().await)
}

async fn stopped_twice(service: &Shared) -> Outcome {
    started_and_stopped(service).await?;
    done("the second stop", life(service).stop().await)
}

async fn unknown_methods(service: &Shared) -> Outcome {
    done("start", life(service).start().await)?;
    for method in [
        "plugin/1.breakfast",
        "plugin/11.start",
        "plugin/1.",
        "start",
        "nobody/1.start",
    ] {
        refused(method, call(service, method, b"").await, Code::Unimplemented, method)?;
    }
    refused(
        "a method without a name",
        call(service, "", b"").await,
        Code::Unimplemented,
        "",
    )
}

async fn unknown_items(service: &Shared) -> Outcome {
    done("start", life(service).start().await)?;
    for method in ["plugin/1.breakfast", "plugin/1.start", "nobody/1.start", ""] {
        let what = format!("send of `{method}`");
        refused(&what, service.send(method, b"{}").map(|_| ()), Code::Unimplemented, "")?;
    }
    Ok(())
}

async fn reloaded(service: &Shared, config: &str) -> Outcome {
    done("start", life(service).start().await)?;
    reloads(service, config).await.map(|_| ())
}

/// Whether a configuration that works is taken by a running instance.
async fn reloads(service: &Shared, config: &str) -> std::result::Result<bool, String> {
    match life(service).reload(config.as_bytes()).await {
        Ok(()) => Ok(true),
        Err(e) if e.code == Code::Unimplemented => Ok(false),
        Err(e) => Err(format!(
            "reload answered {}: expected success or Unimplemented",
            told(&e)
        )),
    }
}

async fn broken_reload(service: &Shared, config: &str) -> Outcome {
    done("start", life(service).start().await)?;
    let reloads = reloads(service, config).await?;
    match life(service).reload(BROKEN.as_bytes()).await {
        Ok(()) => return Err(format!("reload took `{BROKEN}`")),
        Err(e) if e.code == Code::Invalid || (e.code == Code::Unimplemented && !reloads) => {}
        Err(e) => return Err(format!("reload answered {}: expected Invalid", told(&e))),
    }
    ensure!(
        self::reloads(service, config).await? == reloads,
        "reload answers otherwise after one that was refused"
    );
    stopped(service).await
}

async fn drained_and_resumed(service: &Shared) -> Outcome {
    done("start", life(service).start().await)?;
    for round in ["first", "second"] {
        let state = done(&format!("the {round} drain"), life(service).drain().await)?;
        done(&format!("the {round} resume"), life(service).resume(&state).await)?;
    }
    stopped(service).await
}

async fn drained_and_stopped(service: &Shared) -> Outcome {
    done("start", life(service).start().await)?;
    done("drain", life(service).drain().await)?;
    stopped(service).await
}

async fn beside(config: &str, make: &impl AsyncFn(&str) -> Result<Shared>) -> Outcome {
    let one = done("the first create", make(config).await)?;
    let two = done("the second create", make(config).await)?;
    let both = async {
        done("the first start", life(&one).start().await)?;
        done("the second start", life(&two).start().await)?;
        stopped(&one).await?;
        refused(
            "the second",
            call(&two, "plugin/1.breakfast", b"").await,
            Code::Unimplemented,
            "breakfast",
        )?;
        stopped(&two).await
    }
    .await;
    gone(one).await;
    gone(two).await;
    both
}
