//! What a boot should have cleared: where the runtime folder lies on a disk, we do it.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context as _;

/// The kernel's name for this boot (proc_sys_kernel(5)).
pub(super) const ID: &str = "/proc/sys/kernel/random/boot_id";

/// Empties a folder that was last used under another boot, and notes this one. Without a kernel that names its boots
/// nothing is done.
pub(super) fn clear_what_an_earlier_one_left(folder: &Path, id: &str) -> anyhow::Result<()> {
    let Ok(boot) = fs::read_to_string(id) else {
        return Ok(());
    };
    let note = folder.join("boot");
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
        let clear = || clear_what_an_earlier_one_left(&folder, id.to_str().unwrap()).unwrap();
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
}
