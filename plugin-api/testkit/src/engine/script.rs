//! Scripts as workloads, and what they leave behind.

use crate::report::Outcome;
use aerolith_plugin_wire::engine::{Program, Workload};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

type Found<T> = std::result::Result<T, String>;

/// Between two looks at something that no event tells of.
const LOOK: Duration = Duration::from_millis(5);

/// Where scripts lie and run; every workload has a folder of its own.
pub(super) struct Workspace {
    root: PathBuf,
    made: AtomicU64,
    /// Keeps instances of this run apart from what an earlier one may have left running.
    run: u128,
}

impl Workspace {
    pub(super) fn of(root: &Path) -> Self {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            root: root.to_owned(),
            made: AtomicU64::new(0),
            run: since.as_nanos(),
        }
    }

    /// A workload that runs a script with `/bin/sh`, with nothing in its environment but a path.
    pub(super) fn script(&self, name: &str, text: &str) -> Found<Workload> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let folder = self.root.join(format!("{name}-{number}"));
        let (program, directory) = (folder.join("program"), folder.join("data"));
        write_script(&program, &directory, text).map_err(|e| format!("{}: {e}", folder.display()))?;
        let path = |p: &Path| p.to_string_lossy().into_owned();
        Ok(Workload {
            instance: format!("testkit.{name}.{number}"),
            token: format!("testkit-{}-{number}", self.run),
            application: "testkit".into(),
            service: name.into(),
            program: Some(Program {
                directory: path(&program),
                entry: "run".into(),
            }),
            environment: BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]),
            directory: path(&directory),
            output: path(&folder.join("output")),
            ..Workload::default()
        })
    }

    /// All that the workload has written.
    pub(super) fn output(&self, workload: &Workload) -> Found<String> {
        read(Path::new(&workload.output))
    }

    /// The workload's working directory as the kernel names it.
    pub(super) fn canonical(&self, workload: &Workload) -> Found<String> {
        let path = fs::canonicalize(&workload.directory).map_err(|e| format!("{}: {e}", workload.directory))?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// Waits until the script has said `begun`.
    pub(super) async fn begun(&self, workload: &Workload) -> Outcome {
        while !self.output(workload).unwrap_or_default().contains("begun") {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// The number that the script left in a file of its directory.
    pub(super) fn number(&self, workload: &Workload, file: &str) -> Found<u32> {
        let text = read(&Path::new(&workload.directory).join(file))?;
        text.trim()
            .parse()
            .map_err(|e| format!("file `{file}` holds `{text}`: {e}"))
    }

    /// Waits until a process is gone, or is a corpse that its parent has yet to bury.
    pub(super) async fn vanished(&self, pid: u32) -> Outcome {
        while alive(pid) {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}

/// The program is installed by another process: were it ever open for writing in this one, a fork of another thread at
/// that moment would inherit it, and its start would fail with ETXTBSY.
fn write_script(program: &Path, directory: &Path, text: &str) -> std::io::Result<()> {
    fs::create_dir_all(program)?;
    fs::create_dir_all(directory)?;
    let source = program.join("run.sh");
    fs::write(&source, format!("#!/bin/sh\n{text}\n"))?;
    let installed = Command::new("install")
        .args(["-m", "755"])
        .arg(&source)
        .arg(program.join("run"))
        .status()?;
    if installed.success() {
        Ok(())
    } else {
        Err(std::io::Error::other(format!("install: {installed}")))
    }
}

fn read(path: &Path) -> Found<String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// The state is the first letter behind the name in parentheses: proc(5).
fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    #[test]
    fn a_script_runs_by_itself_and_leaves_its_number() {
        let root = tempfile::tempdir().unwrap();
        let space = Workspace::of(root.path());
        let workload = space.script("it", "read line; echo $$ > number").unwrap();
        let program = Path::new(&workload.program.as_ref().unwrap().directory).join("run");
        let mut command = Command::new(program);
        let mut child = command
            .current_dir(&workload.directory)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        assert!(alive(child.id()));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(space.number(&workload, "number"), Ok(child.id()));
        assert!(!alive(child.id()));
    }

    #[test]
    fn two_workloads_have_nothing_in_common() {
        let root = tempfile::tempdir().unwrap();
        let space = Workspace::of(root.path());
        let (one, two) = (space.script("it", "").unwrap(), space.script("it", "").unwrap());
        assert!(one.instance != two.instance && one.token != two.token && one.directory != two.directory);
    }
}
