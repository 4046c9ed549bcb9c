//! Whether a program can be executed on this machine, and why not.

use crate::error::StartError;
use crate::format::{self, Format, Machine};
use crate::step::Step;
use aerolith_plugin::wire::engine::Program;
use rustix::fs::{Access, access};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The path of a package's program. It exists and lies inside the package, links followed.
///
/// # Errors
/// [`StartError::NotFound`], [`StartError::Outside`].
pub(crate) fn locate(program: &Program) -> Result<PathBuf, StartError> {
    let package = PathBuf::from(&program.directory);
    let entry = package.join(&program.entry);
    let real = |path: &Path| match path.canonicalize() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(StartError::NotFound(entry.clone())),
        result => result.map_err(|cause| StartError::Unreadable {
            path: path.into(),
            cause,
        }),
    };
    if real(&entry)?.starts_with(real(&package)?) {
        Ok(entry)
    } else {
        Err(StartError::Outside { entry, package })
    }
}

/// Looks at a program before anything depends on it.
///
/// # Errors
/// Why it cannot be executed. A format that a handler of the kernel may take (binfmt_misc) is let through.
pub(crate) fn check(program: &Path, environment: &BTreeMap<String, String>) -> Result<(), StartError> {
    match inspect(program, environment.get("PATH").map(String::as_str)) {
        Err(StartError::UnknownFormat(_) | StartError::WrongMachine { .. }) if foreign_formats() => Ok(()),
        result => result,
    }
}

/// The reason behind the refusal to execute a program in a directory, as another user or not.
pub(crate) fn explain(program: &Path, directory: &Path, user: Option<u32>, cause: io::Error) -> StartError {
    if let Some((step, cause)) = Step::told(&cause) {
        return StartError::Confinement { step, cause };
    }
    let errno = Errno::from_io_error(&cause);
    if !directory.is_dir() {
        return StartError::NoDirectory(directory.into());
    }
    if errno == Some(Errno::TXTBSY) {
        return StartError::TextBusy(program.into());
    }
    if let Err(reason) = inspect(program, None) {
        return reason;
    }
    match (errno, user) {
        (Some(Errno::NOEXEC), _) => StartError::UnknownFormat(program.into()),
        (Some(Errno::ACCESS), Some(user)) => StartError::NotForUser {
            program: program.into(),
            user,
        },
        _ => StartError::Other {
            program: program.into(),
            directory: directory.into(),
            cause,
        },
    }
}

fn inspect(program: &Path, search: Option<&str>) -> Result<(), StartError> {
    let metadata = fs::metadata(program).map_err(|_| StartError::NotFound(program.into()))?;
    if !metadata.is_file() {
        return Err(StartError::NotAFile(program.into()));
    }
    if access(program, Access::EXEC_OK).is_err() {
        return Err(StartError::NotExecutable(program.into()));
    }
    let head = head(program).map_err(|cause| StartError::Unreadable {
        path: program.into(),
        cause,
    })?;
    match format::of(&head) {
        Format::Elf { machine, loader } => elf(program, machine, loader),
        Format::Script { interpreter, argument } => script(program, interpreter, argument.as_deref(), search),
        Format::Unknown => Err(StartError::UnknownFormat(program.into())),
    }
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(format::HEAD);
    File::open(path)?.take(format::HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn elf(program: &Path, found: Machine, loader: Option<PathBuf>) -> Result<(), StartError> {
    if let Some(expected) = native().filter(|native| !native.runs(found)) {
        let (found, expected) = (found.to_string(), expected.to_string());
        return Err(StartError::WrongMachine {
            program: program.into(),
            found,
            expected,
        });
    }
    match loader.filter(|loader| !loader.exists()) {
        Some(loader) => Err(StartError::NoLoader {
            program: program.into(),
            loader,
        }),
        None => Ok(()),
    }
}

/// This machine, as the running program's own file names it.
fn native() -> Option<Machine> {
    match format::of(&head(Path::new("/proc/self/exe")).ok()?) {
        Format::Elf { machine, .. } => Some(machine),
        _ => None,
    }
}

fn script(program: &Path, interpreter: PathBuf, argument: Option<&str>, path: Option<&str>) -> Result<(), StartError> {
    let missing = |interpreter| StartError::NoInterpreter {
        program: program.into(),
        interpreter,
    };
    if access(&interpreter, Access::EXEC_OK).is_err() {
        return Err(missing(interpreter));
    }
    // `#!/usr/bin/env python3` is found through the search path only.
    let named = argument.filter(|a| interpreter.ends_with("env") && !a.starts_with('-') && !a.contains(['=', ' ']));
    match (named, path) {
        (Some(name), Some(path)) if search(name, path, Path::new("/")).is_none() => Err(missing(name.into())),
        _ => Ok(()),
    }
}

/// The program of a name, as execvp(3) finds it: a name with a slash is a path from `directory`.
pub(crate) fn search(name: &str, path: &str, directory: &Path) -> Option<PathBuf> {
    let executable = |p: &PathBuf| p.is_file() && access(p, Access::EXEC_OK).is_ok();
    if name.contains('/') {
        return Some(directory.join(name)).filter(|p| p.exists());
    }
    path.split(':')
        .map(|part| directory.join(part).join(name))
        .find(executable)
}

/// Whether the kernel was told of formats of other machines.
fn foreign_formats() -> bool {
    fs::read_dir("/proc/sys/fs/binfmt_misc").is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| !matches!(entry.file_name().to_str(), Some("register" | "status")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn written(directory: &Path, name: &str, text: &[u8], mode: u32) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn in_package(directory: &Path, entry: &str) -> Result<PathBuf, StartError> {
        locate(&Program {
            directory: directory.display().to_string(),
            entry: entry.into(),
        })
    }

    #[test]
    fn an_entry_is_found_inside_its_package_only() {
        let package = tempfile::tempdir().unwrap();
        written(package.path(), "run", b"#!/bin/sh\n", 0o755);
        symlink("run", package.path().join("link")).unwrap();
        symlink("/bin/sh", package.path().join("out")).unwrap();
        assert_eq!(in_package(package.path(), "link").unwrap(), package.path().join("link"));
        for outside in ["out", "../../../../../../bin/sh", "/bin/sh"] {
            assert!(
                matches!(in_package(package.path(), outside), Err(StartError::Outside { .. })),
                "{outside}"
            );
        }
        assert!(matches!(
            in_package(package.path(), "absent"),
            Err(StartError::NotFound(_))
        ));
    }

    #[test]
    fn each_fault_of_a_program_has_its_own_name() {
        let at = tempfile::tempdir().unwrap();
        let found = |name: &str, text: &[u8], mode| inspect(&written(at.path(), name, text, mode), Some("/bin")).err();
        assert!(matches!(
            found("x", b"#!/bin/sh\n", 0o644),
            Some(StartError::NotExecutable(_))
        ));
        assert!(matches!(found("t", b"echo", 0o755), Some(StartError::UnknownFormat(_))));
        assert!(matches!(
            found("i", b"#!/no/sh\n", 0o755),
            Some(StartError::NoInterpreter { .. })
        ));
        assert!(matches!(
            found("e", b"#!/usr/bin/env no-such\n", 0o755),
            Some(StartError::NoInterpreter { .. })
        ));
        assert!(found("s", b"#!/usr/bin/env sh\n", 0o755).is_none());
        assert!(matches!(inspect(at.path(), None), Err(StartError::NotAFile(_))));
    }

    #[test]
    fn a_program_of_another_machine_or_without_its_loader_is_told_apart() {
        let at = tempfile::tempdir().unwrap();
        let mut shell = fs::read("/bin/sh").unwrap();
        let loader = shell.windows(4).position(|w| w == b"/lib").unwrap();
        shell[loader + 1] = b'X';
        let found = inspect(&written(at.path(), "l", &shell, 0o755), None);
        assert!(matches!(found, Err(StartError::NoLoader { .. })), "{found:?}");
        shell[18..20].copy_from_slice(&8_u16.to_le_bytes());
        let found = inspect(&written(at.path(), "m", &shell, 0o755), None);
        assert!(
            matches!(&found, Err(StartError::WrongMachine { found, .. }) if found == "MIPS"),
            "{found:?}"
        );
    }

    #[test]
    fn a_name_is_searched_along_the_path_and_a_path_is_not() {
        let path = "/nowhere:/bin";
        assert_eq!(search("sh", path, Path::new("/")), Some("/bin/sh".into()));
        assert_eq!(search("./sh", path, Path::new("/bin")), Some("/bin/./sh".into()));
        assert_eq!(search("no-such", path, Path::new("/")), None);
    }
}
