//! A package as it will be, before anybody sees it.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use aerolith_model::{
    Configuration, Entry, Key, Name, Object, ObjectPlatform, PACKAGE_LABEL, PACKAGE_LABEL_VALUE, Sha256, Signature, Url,
};
use tempfile::TempDir;

use crate::archive::Format;
use crate::content::Content;
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

/// A package whose files are written, but not yet where they belong; dropped, nothing of it is left.
#[derive(Debug)]
pub struct Draft {
    pub(crate) folder: TempDir,
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
    pub content: Content,
}

impl Draft {
    /// Packs the folders and writes the configuration that goes with them.
    ///
    /// # Errors
    /// [`BuildError`], with the file it is about.
    pub fn write(request: &Request) -> Result<Self, BuildError> {
        let out = ready(&request.out, &request.folder)?;
        let sources = sources(&request.folder)?;
        let folder = tempfile::Builder::new()
            .prefix(".aerolith-")
            .tempdir_in(&out)
            .on(&out)?;
        let mut archives = Vec::new();
        for source in sources {
            archives.push(Archive::write(request, source, folder.path())?);
        }
        Ok(Self {
            configuration: configuration(request, &out, &archives)?,
            folder,
            out,
            archives,
        })
    }

    /// What there is for each platform, with what is for all; a package that is only for all is one for `any`.
    pub fn platforms(&self) -> impl Iterator<Item = (&str, Vec<&Archive>)> {
        let only = self.archives.len() == 1;
        let named = self
            .archives
            .iter()
            .filter(move |archive| only || archive.platform != ANY);
        named.map(|archive| {
            let is_for = |other: &&Archive| other.platform == archive.platform || other.platform == ANY;
            (archive.platform.as_str(), self.archives.iter().filter(is_for).collect())
        })
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

    /// The configuration to import.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// A place for what helps to judge the draft; it goes with it.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.folder.path().join("scratch")
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
        let content = Content::of(&path)?;
        Ok(Self {
            platform,
            key,
            file_name,
            path,
            content,
        })
    }
}

/// Makes the folder for the output, which must not lie in what is packed; answers its absolute path.
fn ready(out: &Path, folder: &Path) -> Result<PathBuf, BuildError> {
    fs::create_dir_all(out).on(out)?;
    let out = fs::canonicalize(out).on(out)?;
    let folder = fs::canonicalize(folder).on(folder)?;
    if out.starts_with(&folder) {
        return Err(BuildError::Inside { out, folder });
    }
    Ok(out)
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
