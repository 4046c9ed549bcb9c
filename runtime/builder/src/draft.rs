//! A package as it will be, before anybody sees it.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use aerolith_model::{
    Configuration, Entry, Key, Name, Object, ObjectPlatform, PACKAGE_LABEL, PACKAGE_LABEL_VALUE, Sha256, Signature, Url,
};
use aerolith_packages::Identity;

use crate::archive::Format;
use crate::content::identify;
use crate::error::BuildError;
use crate::file_url::file_url;
use crate::layout::{ANY, Source, sources};
use crate::tree::{On as _, Tree};

/// What is to be made.
#[derive(Debug)]
pub struct Request {
    /// Holds `program.yml`, or a folder for each platform.
    pub folder: PathBuf,
    /// The package's name.
    pub name: Name,
    /// Its version, where it has one.
    pub version: Option<Version>,
    /// Where the archives will lie; where they are made, when nothing is said.
    pub base: Option<String>,
    /// How the archives are written.
    pub format: Format,
    /// Where the files go.
    pub out: PathBuf,
}

/// A version that can stand in a file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(String);

impl FromStr for Version {
    type Err = BuildError;

    fn from_str(text: &str) -> Result<Self, BuildError> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
        if (1..=64).contains(&text.len()) && text.bytes().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BuildError::Version { found: text.to_owned() })
        }
    }
}

/// A package whose files are written, but not yet where they belong.
#[derive(Debug)]
pub struct Draft {
    pub(crate) folder: PathBuf,
    pub(crate) out: PathBuf,
    pub(crate) archives: Vec<Archive>,
    pub(crate) configuration: Configuration,
}

/// One archive of a package.
#[derive(Debug)]
pub struct Archive {
    /// For what it is, as its folder was called.
    pub platform: String,
    /// Its key in the configuration.
    pub key: Key,
    /// Its name as a file.
    pub file_name: String,
    /// Where it lies until the draft is published.
    pub path: PathBuf,
    /// Its bytes.
    pub content: Identity,
}

impl Request {
    /// Makes the folder for the output, which must not lie in what is packed; answers its absolute path.
    ///
    /// # Errors
    /// [`BuildError::Inside`]; what the file system says.
    pub fn ready(&self) -> Result<PathBuf, BuildError> {
        fs::create_dir_all(&self.out).on(&self.out)?;
        let out = fs::canonicalize(&self.out).on(&self.out)?;
        let folder = fs::canonicalize(&self.folder).on(&self.folder)?;
        if out.starts_with(&folder) {
            return Err(BuildError::Inside { out, folder });
        }
        Ok(out)
    }
}

impl Draft {
    /// Packs the folders into an empty one on the output's file system, and writes the configuration that goes with them.
    /// That folder is the caller's to remove, whatever becomes of the draft.
    ///
    /// # Errors
    /// [`BuildError`], with the file it is about.
    pub fn write(request: &Request, into: &Path) -> Result<Self, BuildError> {
        let out = request.ready()?;
        let sources = sources(&request.folder)?.into_iter();
        let archives: Result<Vec<_>, _> = sources.map(|source| Archive::write(request, source, into)).collect();
        let archives = archives?;
        Ok(Self {
            configuration: configuration(request, &out, &archives)?,
            folder: into.to_owned(),
            out,
            archives,
        })
    }

    /// What each platform gets: what is for it and what is for all, as the configuration tells it. A package that is only
    /// for all is one for `any`.
    pub fn platforms(&self) -> impl Iterator<Item = (&str, Configuration)> {
        let only = self.archives.len() == 1;
        let named = self
            .archives
            .iter()
            .filter(move |archive| only || archive.platform != ANY);
        named.map(|archive| (archive.platform.as_str(), self.narrowed(&archive.platform)))
    }

    fn narrowed(&self, platform: &str) -> Configuration {
        let is_for = |archive: &Archive| archive.platform == platform || archive.platform == ANY;
        let mut configuration = self.configuration.clone();
        configuration.data.retain(|key, _| {
            self.archives
                .iter()
                .any(|archive| archive.key == *key && is_for(archive))
        });
        configuration
    }

    /// Puts a signature to each archive's digest.
    pub fn sign(&mut self, sign: impl Fn(&Sha256) -> Signature) {
        for entry in self.configuration.data.values_mut() {
            if let Entry::Object(object) = entry {
                object.signature = object.sha256.as_ref().map(&sign);
            }
        }
    }

    /// Every archive.
    #[must_use]
    pub fn archives(&self) -> &[Archive] {
        &self.archives
    }

    /// Where the archive with a key lies until the draft is published.
    #[must_use]
    pub fn file(&self, key: &Key) -> PathBuf {
        let named = self.archives.iter().find(|archive| archive.key == *key);
        named.map(|archive| archive.path.clone()).unwrap_or_default()
    }

    /// The configuration to import.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }
}

impl Archive {
    fn write(request: &Request, source: Source, folder: &Path) -> Result<Self, BuildError> {
        let Source { platform, folder: from } = source;
        let suffix = request.format.suffix();
        // The key names nothing but the platform, so that a package's name cannot be taken for one.
        let key = format!("{platform}.{suffix}").parse()?;
        let version = request.version.as_ref().map(|version| format!("-{}", version.0));
        let file_name = format!("{}{}-{platform}.{suffix}", request.name, version.unwrap_or_default());
        let path = folder.join(&file_name);
        request.format.write(&Tree::of(&from)?, &path)?;
        let content = identify(&path)?;
        Ok(Self {
            platform,
            key,
            file_name,
            path,
            content,
        })
    }
}

fn configuration(request: &Request, out: &Path, archives: &[Archive]) -> Result<Configuration, BuildError> {
    let base = match &request.base {
        Some(base) if base.contains(['?', '#']) => return Err(BuildError::Base { found: base.clone() }),
        Some(base) => base.trim_end_matches('/').to_owned(),
        None => file_url(out),
    };
    let mut data = std::collections::BTreeMap::new();
    for archive in archives {
        let url: Url = format!("{base}/{}", archive.file_name).parse()?;
        let sha256: Sha256 = archive.content.sha256.to_string().parse()?;
        let object = Object {
            sha256: Some(sha256),
            size: Some(archive.content.size),
            unpack: request.format.unpack(),
            platform: (archive.platform == ANY).then_some(ObjectPlatform::Any),
            ..Object::at(url)
        };
        data.insert(archive.key.clone(), Entry::Object(Box::new(object)));
    }
    Ok(Configuration {
        template: false,
        name: request.name.clone(),
        version: request
            .version
            .as_ref()
            .map(|version| version.0.clone())
            .unwrap_or_default(),
        description: String::new(),
        labels: [(PACKAGE_LABEL.to_owned(), PACKAGE_LABEL_VALUE.to_owned())].into(),
        data,
        extra: std::collections::BTreeMap::new(),
    })
}

#[cfg(test)]
mod tests;
