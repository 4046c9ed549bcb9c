//! `aerolith package resolve`: which objects of a package are for a platform, and why.

use aerolith_model::Configuration;
use aerolith_plugin_wire::arch::{CAPABILITY, Choice};
use serde_json::{Value, json};

use super::described::{choose, describe};
use super::settings;
use crate::arguments::package::Resolve;
use crate::daemonless::with_plugins;
use crate::screen::Screen;
use crate::table::{Cell, Table};

/// One object, and what becomes of it.
struct Line<'a> {
    package: &'a Configuration,
    object: &'a str,
    taken: bool,
    reason: String,
}

/// Explains the choice for every package of a file.
pub(super) fn resolve(wanted: &Resolve, screen: Screen) -> anyhow::Result<()> {
    let described = describe(&wanted.file, screen)?;
    let platform = wanted.platform.as_deref();
    let choices = with_plugins(settings(&wanted.node)?, &[CAPABILITY.id], async |here| {
        let mut choices = Vec::new();
        for package in described.packages() {
            choices.extend(choose(here, package, platform).await?.map(|choice| (package, choice)));
        }
        Ok(choices)
    })?;
    let answer: Value = choices
        .iter()
        .map(|(package, choice)| answer(package, choice))
        .collect();
    screen.show(&answer, || {
        let rows = choices
            .iter()
            .flat_map(|(package, choice)| lines(package, choice))
            .map(|line| row(&line));
        Ok(Table::new(["PACKAGE", "OBJECT", "TAKEN", "REASON"], rows))
    })?;
    if screen.format() == crate::arguments::Format::Table {
        for (package, choice) in &choices {
            screen.data(format!("{}: {}\n", package.name, choice.reason))?;
        }
    }
    Ok(())
}

fn answer(package: &Configuration, choice: &Choice) -> Value {
    json!({
        "package": package.name,
        "platform": choice.platform,
        "chosen": choice.chosen,
        "passedOver": choice.passed_over,
        "reason": choice.reason,
    })
}

/// What becomes of each object, in the order of the keys.
fn lines<'a>(package: &'a Configuration, choice: &'a Choice) -> impl Iterator<Item = Line<'a>> {
    package.objects().map(move |(key, object)| {
        let passed_over = choice.passed_over.iter().find(|other| other.name == key.as_str());
        let for_all = object.platform.is_some();
        let reason = match passed_over {
            Some(other) => other.reason.clone(),
            None if for_all => "for any platform".to_owned(),
            None => format!("for {}", choice.platform),
        };
        Line {
            package,
            object: key.as_str(),
            taken: passed_over.is_none(),
            reason,
        }
    })
}

fn row(line: &Line<'_>) -> [Cell; 4] {
    [
        Cell::from(&line.package.name),
        Cell::from(line.object),
        Cell::from(if line.taken { "yes" } else { "no" }),
        Cell::from(&line.reason),
    ]
}
