//! `aerolith package verify`: all that a node checks of a package before it runs it.

use std::path::Path;

use aerolith_builder::{file_url, identify};
use aerolith_model::{Configuration, Entry, Key, Object, ProgramManifest, Unpack};
use aerolith_node::{FetchError, PackageError, PrepareError, Tried};
use aerolith_plugin_wire::{arch, fetcher};
use serde_json::json;

use super::described::{Described, choose, describe};
use super::mistake::judged;
use super::settings;
use super::sound::Sound;
use crate::arguments::package::Verify;
use crate::config::Demand;
use crate::daemonless::{Daemonless, with_plugins};
use crate::outcome::Wrong;
use crate::progress::Progress;
use crate::screen::Screen;
use crate::settings::Settings;

/// Verifies an archive or a configuration, whichever it is.
pub(super) fn verify(wanted: &Verify, screen: Screen) -> anyhow::Result<()> {
    let all = sound(wanted, screen)?;
    let answer = all.iter().map(Sound::answer).collect();
    screen.tell(&answer, || all.iter().map(Sound::told).collect())
}

fn sound(wanted: &Verify, screen: Screen) -> anyhow::Result<Vec<Sound>> {
    if wanted.target.contains("://") {
        let package = wanted.described(&wanted.target)?;
        return Ok(vec![archive(&package, None, wanted, screen)?]);
    }
    let file = Path::new(&wanted.target);
    let kind = identify(file).map_err(judged)?.kind;
    if kind == aerolith_packages::Unpack::None && wanted.unpack.is_none() {
        wanted.is_about_a_configuration()?;
        return configured(&describe(file, screen)?, wanted, screen);
    }
    let package = wanted.described(&file_url(&std::path::absolute(file)?))?;
    Ok(vec![archive(&package, Some(file), wanted, screen)?])
}

impl Verify {
    fn is_about_a_configuration(&self) -> Result<(), Wrong> {
        let is_promised = self.sha256.is_some() || self.md5.is_some() || self.size.is_some();
        if is_promised || self.signature.is_some() {
            return Err(Wrong::new(format!(
                "{}: --sha256, --md5, --size and --signature are for archives, and this is none; a configuration tells \
                 its own",
                self.target
            )));
        }
        Ok(())
    }

    /// The archive at a place, with all that is known of it, as the only object of a configuration.
    fn described(&self, url: &str) -> anyhow::Result<Configuration> {
        if !self.platform.is_empty() {
            let message = "--platform is for configurations: an archive is for whom its configuration says";
            return Err(Wrong::new(message).into());
        }
        let object = Object {
            sha256: self.sha256.clone(),
            md5: self.md5.clone(),
            size: self.size,
            signature: self.signature,
            unpack: self.unpack.unwrap_or(Unpack::Auto),
            ..Object::at(url.parse().map_err(Wrong::from)?)
        };
        let key = object.file_name().parse().or_else(|_| "archive".parse());
        let key: Key = key.map_err(Wrong::from)?;
        let mut configuration: Configuration = serde_json::from_value(json!({ "name": "package" }))?;
        configuration.data.insert(key, Entry::Object(Box::new(object)));
        Ok(configuration)
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = settings(&self.node)?;
        if let Some(folder) = &self.trust {
            settings.packages.signatures = Demand::Required;
            settings.packages.trust = Some(folder.clone());
        }
        if self.signature.is_some() && settings.packages.trust.is_none() {
            let message = "--signature cannot be checked: nobody is trusted; name a folder of public keys with --trust";
            return Err(Wrong::new(message).into());
        }
        Ok(settings)
    }
}

/// An archive of another place, or a file of this machine.
fn archive(package: &Configuration, file: Option<&Path>, wanted: &Verify, screen: Screen) -> anyhow::Result<Sound> {
    let capabilities: &[&str] = match file {
        Some(_) => &[],
        None => &[fetcher::CAPABILITY.id],
    };
    with_plugins(wanted.settings()?, capabilities, async |here| {
        let trial = here.trial()?;
        let tried = told(here, package, screen, async {
            match file {
                Some(file) => trial.files(package, |_| file.to_owned()).await,
                None => trial.program(package, None, &[]).await,
            }
        });
        let name = package.data.keys().next().map_or(wanted.target.as_str(), Key::as_str);
        Sound::of(name, None, &tried.await.map_err(as_a_part)?)
    })
}

/// What is no package by itself may be a part of one.
fn as_a_part(error: anyhow::Error) -> anyhow::Error {
    error.downcast::<Wrong>().map_or_else(
        |other| other,
        |wrong| {
            let hint = "an archive is taken for a whole package; one that is a part is verified with its configuration, and a \
                        configuration is named as a file";
            let is_lacking = wrong.message.contains(ProgramManifest::FILE);
            let hint = is_lacking.then(|| hint.to_owned());
            Wrong {
                hint: wrong.hint.or(hint),
                ..wrong
            }
            .into()
        },
    )
}

/// Every package of a file, for every platform that is asked for.
fn configured(described: &Described, wanted: &Verify, screen: Screen) -> anyhow::Result<Vec<Sound>> {
    let capabilities = [fetcher::CAPABILITY.id, arch::CAPABILITY.id];
    let platforms: Vec<Option<&str>> = match &*wanted.platform {
        [] => vec![None],
        some => some.iter().map(|platform| Some(platform.as_str())).collect(),
    };
    with_plugins(wanted.settings()?, &capabilities, async |here| {
        let (trial, mut all) = (here.trial()?, Vec::new());
        for package in described.packages() {
            for platform in &platforms {
                let choice = choose(here, package, *platform).await?;
                let tried = trial.program(package, choice.as_ref(), &described.resources);
                let tried = told(here, package, screen, tried).await?;
                let platform = choice.as_ref().map(|choice| choice.platform.as_str());
                all.push(Sound::of(package.name.as_str(), platform, &tried)?);
            }
        }
        Ok(all)
    })
}

/// Tries a package, and tells meanwhile how far it is.
async fn told(
    here: &Daemonless,
    package: &Configuration,
    screen: Screen,
    trial: impl Future<Output = Result<Tried, PrepareError>>,
) -> anyhow::Result<Tried> {
    let progress = Progress::of_package(screen, package.name.to_string());
    here.telling(progress, trial).await?.map_err(|error| match error {
        PrepareError::Package(PackageError::Object { error, .. }) if matches!(*error, FetchError::NoFetcher(_)) => {
            here.lacking(*error)
        }
        error => judged(error),
    })
}
