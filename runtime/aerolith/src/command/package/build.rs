//! `aerolith package build`: from a folder to a package that a node takes.

use aerolith_builder::{ANY, Archive, Draft, Request};
use aerolith_model::Key;
use aerolith_node::Unresolved;
use aerolith_plugin_wire::arch::CAPABILITY;
use aerolith_trust::SigningKey;
use serde_json::{Value, json};

use super::mistake::{judged, judged_of};
use super::settings;
use crate::arguments::package::Build;
use crate::config::{Demand, Packages};
use crate::daemonless::{Daemonless, with_plugins};
use crate::outcome::Wrong;
use crate::scratch::Scratch;
use crate::screen::Screen;
use crate::settings::Settings;
use crate::table::{Cell, Table};

/// Packs, has the result judged by the node's own rules, and only then gives the files their names.
pub(super) fn build(wanted: Build, screen: Screen) -> anyhow::Result<()> {
    let request = Request {
        folder: wanted.folder,
        name: wanted.name,
        version: wanted.version,
        base: wanted.url,
        format: wanted.format,
        out: wanted.out,
    };
    // Of the node only its limits count: whom it trusts is no matter of whoever makes a package.
    let mut settings = settings(&wanted.node)?;
    settings.packages = Packages {
        require_digest: false,
        signatures: Demand::Optional,
        trust: None,
        ..settings.packages
    };
    let key = wanted.key.as_deref().map(SigningKey::load).transpose();
    let key = key.map_err(judged)?;
    let folder = Scratch::within(&request.ready().map_err(judged)?)?;
    let mut draft = Draft::write(&request, folder.path()).map_err(judged)?;
    if let Some(key) = key {
        draft.sign(|sha256| key.sign(sha256));
    }
    check(&draft, settings, screen)?;
    let archives: Vec<Value> = draft.archives().iter().map(made).collect();
    let rows: Vec<_> = draft.archives().iter().map(row).collect();
    let path = draft.publish(wanted.force).map_err(judged)?;
    screen.show(&json!({ "configuration": path, "archives": archives }), || {
        Ok(Table::new(["FILE", "PLATFORM", "SIZE", "SHA256"], rows))
    })?;
    screen.message(&format!("now apply {}", path.display()));
    Ok(())
}

fn made(archive: &Archive) -> Value {
    json!({
        "file": archive.file_name,
        "platform": archive.platform,
        "size": archive.content.size,
        "sha256": archive.content.sha256,
    })
}

fn row(archive: &Archive) -> [Cell; 4] {
    [
        Cell::from(&archive.file_name),
        Cell::from(&archive.platform),
        Cell::from(&archive.content.size),
        Cell::from(&archive.content.sha256),
    ]
}

/// Has the node's own rules judge what each platform gets, as the configuration tells it.
fn check(draft: &Draft, settings: Settings, screen: Screen) -> anyhow::Result<()> {
    with_plugins(settings, &[CAPABILITY.id], async |here| {
        let trial = here.trial()?;
        for (platform, package) in draft.platforms() {
            let tried = trial.files(&package, |key| draft.file(key)).await;
            tried.map_err(|error| judged_of(format!("for {platform}"), error))?;
        }
        check_platforms(here, draft, screen).await
    })
}

/// Has the resolver say that each platform gets its archives and no others. Where there is none, nobody knows.
async fn check_platforms(here: &Daemonless, draft: &Draft, screen: Screen) -> anyhow::Result<()> {
    for (platform, package) in draft.platforms() {
        let asked = Some(platform).filter(|platform| *platform != ANY);
        let choice = match aerolith_node::choose(&here.host, draft.configuration(), asked).await {
            Ok(choice) => choice,
            Err(Unresolved::Refused(error)) => return Err(judged_of(format!("for {platform}"), error)),
            Err(Unresolved::NoResolver(error)) => {
                let why = here.lacking(error);
                screen.message(&format!("warning: the names of the platforms are not checked: {why:#}"));
                return Ok(());
            }
        };
        let own: Vec<&str> = package.data.keys().map(Key::as_str).collect();
        if choice.chosen != own {
            let message = format!(
                "a machine that is {platform} would take {}, not {}; keep one folder for each platform",
                choice.chosen.join(", "),
                own.join(", ")
            );
            return Err(Wrong::new(message).into());
        }
    }
    Ok(())
}
