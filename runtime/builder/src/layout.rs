//! What a folder says of platforms by how it is laid out.

use std::fs;
use std::path::{Path, PathBuf};

use aerolith_model::ProgramManifest;

use crate::error::BuildError;
use crate::tree::On as _;

/// The folder of what belongs to every platform.
pub const ANY: &str = "any";

/// What is packed for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) platform: String,
    pub(crate) folder: PathBuf,
}

/// The folders to pack, in the order of their platforms: the folder itself for every platform where `program.yml` lies
/// in it, else a folder for each.
pub(crate) fn sources(folder: &Path) -> Result<Vec<Source>, BuildError> {
    if folder.join(ProgramManifest::FILE).is_file() {
        return Ok(vec![Source {
            platform: ANY.to_owned(),
            folder: folder.to_owned(),
        }]);
    }
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder).on(folder)? {
        let place = entry.on(folder)?.path();
        let is_folder = fs::symlink_metadata(&place).on(&place)?.is_dir();
        let name = place.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        match name.filter(|_| is_folder) {
            Some(platform) => sources.push(Source {
                platform,
                folder: place,
            }),
            None => return Err(BuildError::Stray { path: place }),
        }
    }
    if sources.is_empty() {
        return Err(BuildError::Empty {
            path: folder.to_owned(),
        });
    }
    sources.sort_by(|a, b| a.platform.cmp(&b.platform));
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platforms(folder: &Path) -> Vec<String> {
        let sources = sources(folder).unwrap().into_iter();
        sources.map(|source| source.platform).collect()
    }

    #[test]
    fn a_folder_is_one_package_for_all_or_has_a_folder_for_each_platform() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path();
        assert!(matches!(sources(folder), Err(BuildError::Empty { .. })));
        fs::create_dir(folder.join("linux-arm64")).unwrap();
        fs::create_dir(folder.join("any")).unwrap();
        assert_eq!(platforms(folder), ["any", "linux-arm64"]);
        fs::write(folder.join("README"), "").unwrap();
        let error = sources(folder).unwrap_err().to_string();
        assert!(error.contains("README: it is no platform's folder"), "{error}");
        fs::write(folder.join("program.yml"), "entry: a").unwrap();
        assert_eq!(platforms(folder), ["any"]);
    }
}
