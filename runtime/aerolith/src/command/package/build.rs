//! `aerolith package build`: from a folder to a package that a node takes.

use aerolith_builder::{Archive, BuildError, Draft, Request};
use aerolith_node::{Unresolved, stage_program};
use aerolith_packages::{Content, Expected, Limits, Part, Store};
use aerolith_plugin_wire::arch::CAPABILITY;
use aerolith_trust::SigningKey;
use serde_json::{Value, json};

use super::opened::refused;
use super::settings;
use super::verify::package_refused;
use crate::arguments::package::Build;
use crate::daemon::settings::Settings;
use crate::daemonless::{Daemonless, with_plugins};
use crate::outcome::Wrong;
use crate::screen::Screen;
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
    let settings = settings(&wanted.node)?;
    let key = wanted.key.as_deref().map(SigningKey::load).transpose();
    let key = key.map_err(|error| Wrong::new(error.to_string()))?;
    let mut draft = Draft::write(&request).map_err(failed)?;
    if let Some(key) = key {
        draft.sign(|sha256| key.sign(sha256));
    }
    check(&draft, settings.packages.limits())?;
    check_platforms(&draft, settings, screen)?;
    let archives: Vec<Value> = draft.archives().iter().map(made).collect();
    let rows: Vec<_> = draft.archives().iter().map(row).collect();
    let path = draft.publish(wanted.force).map_err(failed)?;
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

/// What the system refuses is a failure, everything else a mistake in what is to be packed.
fn failed(error: BuildError) -> anyhow::Error {
    match error {
        BuildError::Archive { .. } | BuildError::Yaml(_) => error.into(),
        mistake => Wrong::new(mistake.to_string()).into(),
    }
}

/// Stages what each platform gets, as a node does.
fn check(draft: &Draft, limits: Limits) -> anyhow::Result<()> {
    let store = Store::open(draft.scratch(), limits)?;
    for (platform, archives) in draft.platforms() {
        let parts: anyhow::Result<Vec<Part>> = archives.iter().map(|archive| part(&store, archive)).collect();
        let package = format!("{} for {platform}", draft.configuration().name);
        stage_program(&store, &package, &parts?).map_err(package_refused)?;
    }
    Ok(())
}

fn part(store: &Store, archive: &Archive) -> anyhow::Result<Part> {
    Ok(Part {
        name: archive.key.to_string(),
        content: Content::Object {
            blob: store.take(&archive.path, Expected::default()).map_err(refused)?,
            unpack: archive.content.kind,
            file_name: archive.file_name.clone(),
        },
    })
}

/// Has the resolver say that each platform gets its archives and no others. Where there is none, nobody knows.
fn check_platforms(draft: &Draft, settings: Settings, screen: Screen) -> anyhow::Result<()> {
    with_plugins(settings, &[CAPABILITY.id], async |here| {
        for (platform, archives) in draft.platforms() {
            match check_platform(here, draft, platform, &archives).await {
                Err(Unresolved::NoResolver(error)) => {
                    let why = here.lacking(error);
                    screen.message(&format!("warning: the names of the platforms are not checked: {why:#}"));
                    return Ok(());
                }
                Err(Unresolved::Refused(error)) => return Err(Wrong::new(error.to_string()).into()),
                Ok(Some(wrong)) => return Err(wrong.into()),
                Ok(None) => {}
            }
        }
        Ok(())
    })
}

async fn check_platform(
    here: &Daemonless,
    draft: &Draft,
    platform: &str,
    archives: &[&Archive],
) -> Result<Option<Wrong>, Unresolved> {
    let asked = Some(platform).filter(|platform| *platform != aerolith_builder::ANY);
    let choice = aerolith_node::choose(&here.host, draft.configuration(), asked).await?;
    let own: Vec<&str> = archives.iter().map(|archive| archive.key.as_str()).collect();
    if choice.chosen == own {
        return Ok(None);
    }
    let message = format!(
        "a machine that is {platform} would take {}, not {}; keep one folder for each platform",
        choice.chosen.join(", "),
        own.join(", ")
    );
    Ok(Some(Wrong::new(message)))
}
