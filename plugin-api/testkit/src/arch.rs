//! `arch/1`: an architecture resolver.

use crate::Report;
use crate::expect::{done, ensure, equal, refused};
use crate::instance::{Shared, call};
use crate::report::Outcome;
use aerolith_plugin_wire::Code;
use aerolith_plugin_wire::arch::{Choice, Client, Object, Objects, Platform};
use std::collections::BTreeSet;

/// A platform on which nothing of ours runs.
const FOREIGN: &str = "plan9-mips";

/// Runs the suite on an instance that was started.
pub async fn run(service: &Shared) -> Report {
    let mut report = Report::default();
    report
        .check(
            "the machine has a platform, first in its chain, with a reason",
            platform(service),
        )
        .await;
    report
        .check("the same machine is the same platform again", again(service))
        .await;
    report
        .check("an object of each platform of the chain is chosen", every_link(service))
        .await;
    report
        .check(
            "of two objects the one that stands first in the chain is chosen",
            best_link(service),
        )
        .await;
    report.check("an object for any platform is chosen", any(service)).await;
    report
        .check("every object is chosen or passed over, once", accounted(service))
        .await;
    report
        .check("the order of the objects does not matter", ordered(service))
        .await;
    report
        .check(
            "when nothing fits, the platform and every name are named",
            nothing_fits(service),
        )
        .await;
    report
        .check("another platform can be asked for", other_platform(service))
        .await;
    report
        .check("a request that is no JSON is invalid", broken(service))
        .await;
    report
}

async fn machine(service: &Shared) -> std::result::Result<Platform, String> {
    done("platform", Client(service.clone()).platform().await)
}

fn object(name: &str, platform: &str) -> Object {
    Object {
        name: name.into(),
        platform: Some(platform.into()),
    }
}

async fn resolve(service: &Shared, objects: &[Object], on: Option<&str>) -> std::result::Result<Choice, String> {
    let request = Objects {
        objects: objects.to_vec(),
        platform: on.map(Into::into),
    };
    let choice = done(
        &format!("resolve of {objects:?}"),
        Client(service.clone()).resolve(&request).await,
    )?;
    ensure!(
        !choice.reason.is_empty() && !choice.reason.contains('\n'),
        "the reason is {:?}: expected one line",
        choice.reason
    );
    ensure!(
        choice.chosen.is_sorted(),
        "chosen are {:?}: expected them sorted",
        choice.chosen
    );
    Ok(choice)
}

async fn chosen(service: &Shared, objects: &[Object], on: Option<&str>, expected: &str) -> Outcome {
    let choice = resolve(service, objects, on).await?;
    equal(
        &format!("the choice of {objects:?}"),
        &choice.chosen,
        &vec![expected.to_owned()],
    )
}

async fn platform(service: &Shared) -> Outcome {
    let Platform { name, chain, reason } = machine(service).await?;
    ensure!(
        name.contains('-'),
        "the platform is `{name}`: expected such as linux-amd64"
    );
    equal("the first of the chain", &chain.first(), &Some(&name))?;
    ensure!(
        chain.iter().collect::<BTreeSet<_>>().len() == chain.len(),
        "a platform is twice in the chain {chain:?}"
    );
    ensure!(!reason.is_empty(), "platform does not say from what it was told");
    Ok(())
}

async fn again(service: &Shared) -> Outcome {
    equal("the second answer", &machine(service).await?, &machine(service).await?)
}

async fn every_link(service: &Shared) -> Outcome {
    for link in machine(service).await?.chain {
        chosen(
            service,
            &[object("foreign", FOREIGN), object("ours", &link)],
            None,
            "ours",
        )
        .await?;
    }
    Ok(())
}

async fn best_link(service: &Shared) -> Outcome {
    for pair in machine(service).await?.chain.windows(2) {
        if let [better, worse] = pair {
            chosen(
                service,
                &[object("worse", worse), object("better", better)],
                None,
                "better",
            )
            .await?;
        }
    }
    Ok(())
}

async fn any(service: &Shared) -> Outcome {
    chosen(service, &[object("everywhere", "any")], None, "everywhere").await
}

async fn mixed(service: &Shared) -> std::result::Result<Vec<Object>, String> {
    let mut objects = vec![object("foreign", FOREIGN), object("everywhere", "any")];
    let chain = machine(service).await?.chain;
    objects.extend(
        chain
            .iter()
            .enumerate()
            .map(|(place, link)| object(&format!("object-{place}"), link)),
    );
    Ok(objects)
}

async fn accounted(service: &Shared) -> Outcome {
    let objects = mixed(service).await?;
    let choice = resolve(service, &objects, None).await?;
    let silent = choice.passed_over.iter().find(|p| p.reason.is_empty());
    ensure!(silent.is_none(), "{silent:?} was passed over without a reason");
    let mut told: Vec<_> = choice
        .chosen
        .into_iter()
        .chain(choice.passed_over.into_iter().map(|p| p.name))
        .collect();
    told.sort_unstable();
    let mut names: Vec<_> = objects.into_iter().map(|o| o.name).collect();
    names.sort_unstable();
    equal("the list of chosen and passed over", &told, &names)
}

async fn ordered(service: &Shared) -> Outcome {
    let mut objects = mixed(service).await?;
    let first = resolve(service, &objects, None).await?.chosen;
    for _ in 1..objects.len() {
        objects.rotate_left(1);
        equal(
            "the choice in another order",
            &resolve(service, &objects, None).await?.chosen,
            &first,
        )?;
    }
    Ok(())
}

async fn nothing_fits(service: &Shared) -> Outcome {
    let name = machine(service).await?.name;
    let objects = vec![object("for-plan9", FOREIGN), object("for-vms", "vms-vax")];
    let request = Objects {
        objects,
        platform: None,
    };
    for subject in ["for-plan9", "for-vms", &name] {
        refused(
            "resolve",
            Client(service.clone()).resolve(&request).await,
            Code::NotFound,
            subject,
        )?;
    }
    Ok(())
}

async fn other_platform(service: &Shared) -> Outcome {
    let objects = [object("amd", "linux-amd64"), object("arm", "linux-arm64-v8")];
    chosen(service, &objects, Some("linux/arm64/v8"), "arm").await?;
    chosen(service, &objects, Some("linux-amd64"), "amd").await
}

async fn broken(service: &Shared) -> Outcome {
    refused(
        "resolve",
        call(service, "arch/1.resolve", b"{\"objects\":").await,
        Code::Invalid,
        "",
    )
}
