//! `aerolith package verify`: all that a node checks of a package before it runs it.

use std::path::Path;

use aerolith_builder::file_url;
use aerolith_model::{Configuration, Entry, Key, Object, Sha256};
use aerolith_node::{FetchError, PackageError, PrepareError, Tried, stage_program};
use aerolith_packages::{Expected, Unpack};
use aerolith_plugin_wire::{arch, fetcher};
use serde_json::json;

use super::described::{Described, choose, describe};
use super::opened::{Scratch, content, part, refused};
use super::settings;
use super::sound::Sound;
use crate::arguments::package::Verify;
use crate::daemon::settings::Settings;
use crate::daemonless::{Daemonless, with_plugins};
use crate::outcome::Wrong;
use crate::screen::Screen;

/// Verifies an archive or a configuration, whichever it is.
pub(super) fn verify(wanted: &Verify, screen: Screen) -> anyhow::Result<()> {
    let all = sound(wanted, screen)?;
    let answer = all.iter().map(Sound::answer).collect();
    screen.tell(&answer, || all.iter().map(Sound::told).collect())
}

fn sound(wanted: &Verify, screen: Screen) -> anyhow::Result<Vec<Sound>> {
    if wanted.target.contains("://") {
        wanted.is_about_an_archive()?;
        return Ok(vec![fetched(wanted)?]);
    }
    let file = Path::new(&wanted.target);
    let kind = content(file)?.kind;
    if kind == Unpack::None && wanted.unpack.is_none() {
        wanted.is_about_a_configuration()?;
        return configured(&describe(file, screen)?, wanted);
    }
    wanted.is_about_an_archive()?;
    Ok(vec![at_hand(file, wanted)?])
}

impl Verify {
    fn is_about_an_archive(&self) -> Result<(), Wrong> {
        match self.platform.is_empty() {
            true => Ok(()),
            false => Err(Wrong::new(
                "--platform is for configurations: an archive is for whom its configuration says",
            )),
        }
    }

    fn is_about_a_configuration(&self) -> Result<(), Wrong> {
        match self.expected() == Expected::default() {
            true => Ok(()),
            false => Err(Wrong::new(format!(
                "{}: --sha256, --md5 and --size are for archives, and this is none; a configuration tells its own",
                self.target
            ))),
        }
    }

    fn expected(&self) -> Expected {
        Expected {
            sha256: self.sha256,
            md5: self.md5,
            size: self.size,
        }
    }

    fn unpack(&self) -> Unpack {
        self.unpack.unwrap_or(Unpack::Auto)
    }

    /// The archive at a place, with all that is known of it.
    fn object(&self, url: &str) -> Result<Object, Wrong> {
        let sha256 = self.sha256.map(|digest| digest.to_string().parse::<Sha256>());
        let md5 = self.md5.map(|digest| digest.to_string().parse::<aerolith_model::Md5>());
        Ok(Object {
            sha256: sha256.transpose().map_err(Wrong::from)?,
            md5: md5.transpose().map_err(Wrong::from)?,
            size: self.size,
            signature: self.signature,
            unpack: as_written(self.unpack()),
            ..Object::at(url.parse().map_err(Wrong::from)?)
        })
    }

    /// The archive behind a URL as the only object of a configuration.
    fn described(&self) -> anyhow::Result<Configuration> {
        let object = self.object(&self.target)?;
        let key = object.file_name().parse().or_else(|_| "archive".parse());
        let key: Key = key.map_err(Wrong::from)?;
        let mut configuration: Configuration = serde_json::from_value(json!({ "name": "package" }))?;
        configuration.data.insert(key, Entry::Object(Box::new(object)));
        Ok(configuration)
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        let settings = settings(&self.node)?;
        Ok(match &self.trust {
            Some(folder) => settings.trusting(folder.clone()),
            None => settings,
        })
    }
}

fn as_written(unpack: Unpack) -> aerolith_model::Unpack {
    match unpack {
        Unpack::None => aerolith_model::Unpack::None,
        Unpack::Zip => aerolith_model::Unpack::Zip,
        Unpack::Tar => aerolith_model::Unpack::Tar,
        Unpack::TarGz => aerolith_model::Unpack::Tgz,
        Unpack::TarZst => aerolith_model::Unpack::TarZst,
        Unpack::Auto => aerolith_model::Unpack::Auto,
    }
}

/// An archive of this machine.
fn at_hand(file: &Path, wanted: &Verify) -> anyhow::Result<Sound> {
    let packages = wanted.settings()?.packages;
    let scratch = Scratch::open(packages.limits())?;
    let blob = scratch.store.take(file, wanted.expected()).map_err(refused)?;
    let (sha256, size) = (*blob.digest(), blob.size());
    let object = wanted.object(&file_url(&std::path::absolute(file)?))?;
    let vouched = packages.policy()?.vouches(&object, &sha256.bytes().into());
    vouched.map_err(|error| Wrong::new(format!("{}: {error}", file.display())))?;
    let part = part(file, blob, wanted.unpack());
    let name = part.name.clone();
    let (staged, entry) = stage_program(&scratch.store, &name, &[part]).map_err(package_refused)?;
    let objects = vec![(name.clone(), sha256, size)];
    Sound::of(&name, None, &Tried { staged, entry, objects })
}

/// An archive of another place.
fn fetched(wanted: &Verify) -> anyhow::Result<Sound> {
    let package = wanted.described()?;
    with_plugins(wanted.settings()?, &[fetcher::CAPABILITY.id], async |here| {
        let tried = here.trial()?.program(&package, None, &[]).await;
        let tried = tried.map_err(|error| untaken(here, error))?;
        let name = package.data.keys().next().map_or(wanted.target.as_str(), Key::as_str);
        Sound::of(name, None, &tried)
    })
}

/// Every package of a file, for every platform that is asked for.
fn configured(described: &Described, wanted: &Verify) -> anyhow::Result<Vec<Sound>> {
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
                let tried = trial.program(package, choice.as_ref(), &described.resources).await;
                let tried = tried.map_err(|error| untaken(here, error))?;
                let platform = choice.as_ref().map(|choice| choice.platform.as_str());
                all.push(Sound::of(package.name.as_str(), platform, &tried)?);
            }
        }
        Ok(all)
    })
}

/// Why a package is not taken: what it is itself to blame for is the operator's mistake.
fn untaken(here: &Daemonless, error: PrepareError) -> anyhow::Error {
    match error {
        PrepareError::Package(PackageError::Object { error, .. }) if matches!(*error, FetchError::NoFetcher(_)) => {
            here.lacking(*error)
        }
        PrepareError::Package(error) => package_refused(error),
        error => error.into(),
    }
}

pub(super) fn package_refused(error: PackageError) -> anyhow::Error {
    if error.is_of_the_package() {
        Wrong::new(error.to_string()).into()
    } else {
        error.into()
    }
}
