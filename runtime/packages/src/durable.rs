use std::fs::{self, File};
use std::path::Path;

use crate::StoreError;
use crate::error::OnPath;

/// Makes a folder's list of names durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .on("sync the folder", dir)
}

/// Makes every file and folder below `root`, and `root` itself, durable. Follows no link.
pub(crate) fn sync_tree(root: &Path) -> Result<(), StoreError> {
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).on("list", &folder)? {
            let entry = entry.on("list", &folder)?;
            let (path, kind) = (entry.path(), entry.file_type().on("look at", &folder)?);
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                File::open(&path).and_then(|file| file.sync_all()).on("sync", &path)?;
            }
        }
        sync_dir(&folder)?;
    }
    Ok(())
}
