//! From a draft to files under their names.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use aerolith_model::Resource;

use crate::content::identify;
use crate::draft::Draft;
use crate::error::BuildError;
use crate::tree::On as _;

impl Draft {
    /// Gives every file its name, the configuration last; answers where that lies. A file that is there already with the
    /// same content is left as it is. What is in place already when one cannot be moved stays: another run goes on from there.
    ///
    /// # Errors
    /// [`BuildError::Exists`] for a file with other content that may not be replaced, before any file is touched: any but the
    /// configuration of another version;
    /// [`BuildError::Unfinished`]; what the file system says.
    pub fn publish(self, replace: bool) -> Result<PathBuf, BuildError> {
        let name = format!("{}.yml", self.configuration.name);
        let configuration = self.folder.join(&name);
        durable(&configuration, self.yaml()?.as_bytes()).on(&configuration)?;
        let archives = self.archives.iter().map(|archive| archive.path.clone());
        let mut moves = Vec::new();
        for from in archives.chain([configuration.clone()]) {
            let to = self.out.join(from.file_name().unwrap_or_default());
            let replace = replace || from == configuration && self.follows(&to);
            match same(&from, &to)? {
                Some(true) => {}
                Some(false) if !replace => return Err(BuildError::Exists { path: to }),
                Some(false) | None => moves.push((from, to)),
            }
        }
        for (done, (from, to)) in moves.iter().enumerate() {
            fs::rename(from, to).map_err(|source| BuildError::Unfinished {
                path: to.clone(),
                source,
                moved: moves[..done].iter().map(|(_, to)| to.clone()).collect(),
            })?;
        }
        fs::File::open(&self.out)
            .and_then(|folder| folder.sync_all())
            .on(&self.out)?;
        Ok(self.out.join(name))
    }

    /// Whether the configuration there is one of another version of this package, which this one takes the place of.
    fn follows(&self, file: &Path) -> bool {
        let former = fs::read_to_string(file).ok();
        let former = former.and_then(|text| aerolith_model::parse(&file.display().to_string(), &text).ok());
        matches!(former.as_deref(), Some([Resource::Configuration(former)])
            if former.name == self.configuration.name && former.version != self.configuration.version)
    }

    /// The configuration in our YAML.
    fn yaml(&self) -> Result<String, BuildError> {
        let resource = Resource::Configuration(self.configuration.clone());
        // A signature stays on one line.
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        let text = serde_saphyr::to_string_with_options(&resource, options);
        text.map_err(|error| BuildError::Yaml(error.to_string()))
    }
}

fn durable(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Whether two files have the same bytes; nothing when the second is not there.
fn same(one: &Path, other: &Path) -> Result<Option<bool>, BuildError> {
    match fs::metadata(other) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        there => {
            there.on(other)?;
            Ok(Some(identify(one)? == identify(other)?))
        }
    }
}
