//! What a boot is called, and what it should have cleared: where the runtime folder lies on a disk, we do it.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::Path;

use anyhow::Context as _;

/// The kernel's name for this boot (proc_sys_kernel(5)).
pub(super) const ID: &str = "/proc/sys/kernel/random/boot_id";
const NOTE: &str = "boot";

/// What this boot is called: as the kernel says, or else as was noted in a folder that no boot outlives, or else by chance.
pub(super) fn name(folder: &Path, id: &str) -> String {
    let named = fs::read_to_string(id).or_else(|_| fs::read_to_string(folder.join(NOTE)));
    named.unwrap_or_else(|_| RandomState::new().hash_one(()).to_string())
}

/// Empties a folder that was last used under another boot, and notes this one.
pub(super) fn clear_what_an_earlier_one_left(folder: &Path, boot: &str) -> anyhow::Result<()> {
    let note = folder.join(NOTE);
    match fs::read_to_string(&note) {
        Ok(noted) if noted == boot => return Ok(()),
        Ok(_) => empty(folder).with_context(|| format!("{}: cannot be emptied", folder.display()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("{}: cannot be read", note.display())),
    }
    fs::write(&note, boot).with_context(|| format!("{}: cannot be written", note.display()))
}

fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_emptied_by_the_first_start_after_a_boot_only() {
        let root = tempfile::tempdir().unwrap();
        let (folder, id) = (root.path().join("run"), root.path().join("id"));
        let clear = || clear_what_an_earlier_one_left(&folder, &name(&folder, id.to_str().unwrap())).unwrap();
        let left = folder.join("instances/a.b.1");
        fs::create_dir_all(&left).unwrap();
        fs::write(&id, "one\n").unwrap();
        clear();
        assert!(left.exists());
        clear();
        assert!(left.exists());
        fs::write(&id, "two\n").unwrap();
        clear();
        assert!(!left.exists() && folder.join("boot").exists());
    }

    #[test]
    fn where_the_kernel_names_no_boot_a_folder_that_is_lost_makes_another() {
        let root = tempfile::tempdir().unwrap();
        let boot = || name(root.path(), "/no/such/file");
        let first = boot();
        clear_what_an_earlier_one_left(root.path(), &first).unwrap();
        assert_eq!(boot(), first);
        fs::remove_file(root.path().join(NOTE)).unwrap();
        assert_ne!(boot(), first);
    }
}
