//! Packages as a configuration file describes them, and which of their objects are for a platform.

use std::path::Path;

use aerolith_api::read;
use aerolith_model::{Configuration, Resource};
use aerolith_node::Unresolved;
use aerolith_plugin_wire::arch::Choice;

use super::mistake::judged_of;
use crate::command::source::Source;
use crate::daemonless::Daemonless;
use crate::outcome::Wrong;
use crate::screen::Screen;

/// What stands in a file with a program package.
pub(super) struct Described {
    /// Its name, as errors call it.
    pub(super) name: String,
    pub(super) resources: Vec<Resource>,
}

/// Reads a file, ours or Baetyl's.
///
/// # Errors
/// What is wrong with it; also that there is no program package in it.
pub(super) fn describe(file: &Path, screen: Screen) -> anyhow::Result<Described> {
    let Source { name, text } = Source::of(file)?;
    let document = read(&name, &text)?;
    for warning in &document.warnings {
        screen.message(&format!("warning: {warning}"));
    }
    let described = Described {
        name,
        resources: document.resources,
    };
    if described.packages().next().is_some() {
        return Ok(described);
    }
    Err(Wrong {
        message: format!("{}: there is no program package in it", described.name),
        hint: Some("a package is a configuration with the label `baetyl-config-type: baetyl-program`".into()),
    }
    .into())
}

impl Described {
    /// The program packages, in the order of the text.
    pub(super) fn packages(&self) -> impl Iterator<Item = &Configuration> {
        self.resources.iter().filter_map(|resource| match resource {
            Resource::Configuration(configuration) => Some(configuration).filter(|package| package.is_package()),
            Resource::Application(_) | Resource::Secret(_) => None,
        })
    }
}

/// Asks the resolver. Nothing for a package without objects, of which everything is for every platform.
///
/// # Errors
/// [`Wrong`] for a text that is no platform; that nothing is for it; that there is nobody to ask.
pub(super) async fn choose(
    here: &Daemonless,
    package: &Configuration,
    platform: Option<&str>,
) -> anyhow::Result<Option<Choice>> {
    if package.objects().next().is_none() {
        return Ok(None);
    }
    match aerolith_node::choose(&here.host, package, platform).await {
        Ok(choice) => Ok(Some(choice)),
        Err(Unresolved::NoResolver(error)) => Err(here.lacking(error)),
        Err(Unresolved::Refused(error)) => Err(judged_of(format!("package `{}`", package.name), error)),
    }
}
