//! From a workload to a running process.

use crate::cgroup::{self, Group};
use crate::confine::{self, Confinement};
use crate::environment;
use crate::error::{RequestError, StartError};
use crate::instance::{Applied, Instance};
use crate::proc::Mark;
use crate::process::Process;
use crate::program;
use crate::registry::Registry;
use crate::sandbox::{Sandbox, User};
use crate::spawn::{self, Image};
use aerolith_plugin::wire::engine::Workload;
use aerolith_plugin::wire::host::ProcessEvent;
use aerolith_plugin::{Code, Error, Result, tracing};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

/// Starts a workload and answers for it.
///
/// # Errors
/// What is wrong with the workload, its program, its sandbox, its directory or its output file. Nothing runs then.
pub(crate) fn launch(registry: &Registry, workload: &Workload) -> Result<Arc<Instance>> {
    let mark = Mark::new(&workload.instance, &workload.token)?;
    if registry.has(&mark.token) {
        let Mark { instance, token } = mark;
        return Err(Error::invalid(format!(
            "{instance}: token {token} was used before: each start needs its own"
        )));
    }
    let program = program(workload)?;
    let directory = PathBuf::from(&workload.directory);
    if !directory.is_dir() {
        return Err(StartError::NoDirectory(directory).into());
    }
    let (sandbox, unenforced) = Sandbox::of(workload)?;
    let user = sandbox.user().map(User::number);
    let environment = environment::of(workload, &mark, sandbox.user());
    let image = image(workload, &program, &environment)?;
    let (output, errors) = output(Path::new(&workload.output))?;
    give(workload, sandbox.user())?;
    let (group, confinement, mut applied) = confine(registry, workload, &mark)?;
    applied.unenforced.extend(unenforced);
    let process = begin(registry, || {
        spawn::spawn(image, confinement, sandbox, &directory, output, errors)
            .map_err(|e| program::explain(&program, &directory, user, e).into())
    });
    match process {
        Ok(process) => Ok(registry.add(mark, process, group, applied)),
        Err(e) => {
            // Nobody is in it: the next one to clear up finds it when it cannot be removed now.
            let _ = group.map(|group| group.remove());
            Err(e)
        }
    }
}

/// Looks at a workload before anything depends on it.
///
/// # Errors
/// Why it cannot be started, as far as it can be told now.
pub(crate) fn check(workload: &Workload) -> Result<()> {
    program::check(&program(workload)?, &workload.environment)?;
    Sandbox::of(workload)?;
    Ok(())
}

/// Gives the folders of an instance to the user that it runs as.
fn give(workload: &Workload, user: Option<&User>) -> Result<(), StartError> {
    let Some(user) = user else { return Ok(()) };
    let mut own = workload.own.iter().map(Path::new).filter(|folder| folder.exists());
    own.try_for_each(|folder| {
        user.take(folder).map_err(|cause| StartError::NotGiven {
            folder: folder.into(),
            cause,
        })
    })
}

/// What it is limited by, and what of that is not to be had here.
fn confine(registry: &Registry, workload: &Workload, mark: &Mark) -> Result<(Option<Group>, Confinement, Applied)> {
    let resources = &workload.resources;
    let cpus = resources.cpus.as_deref().map(confine::cpus).transpose()?;
    let plan = cgroup::plan(resources, registry.cgroups.controllers());
    let (group, kept) = Group::make(&registry.cgroups, mark, &plan);
    let mut confinement = Confinement::within(group.as_ref()).map_err(Error::io)?;
    if let Some(cpus) = cpus.filter(|_| plan.affinity.is_some()) {
        confinement = confinement.on(cpus);
    }
    let files = resources.open_files.and_then(|files| confinement.opening(files));
    let applied = Applied {
        unenforced: plan.unmet.into_iter().chain(kept).chain(files).collect(),
        watched_bytes: plan.watched_bytes,
    };
    Ok((group, confinement, applied))
}

/// The program's path.
///
/// # Errors
/// When there is none, or it lies outside of its package.
pub(crate) fn program(workload: &Workload) -> Result<PathBuf> {
    let none = || RequestError::NoProgram {
        instance: workload.instance.clone(),
    };
    Ok(program::locate(workload.program.as_ref().ok_or_else(none)?)?)
}

/// Starts a process that the core knows for this engine's from the start, and holds it.
///
/// # Errors
/// What `start` answers; when the core does not take the announcement; when the system gives no descriptor for the process.
pub(crate) fn begin(registry: &Registry, start: impl FnOnce() -> Result<u32>) -> Result<Process> {
    registry.tell(0, ProcessEvent::Spawning)?;
    let started = start().and_then(|pid| {
        registry.tell_or_log(pid, ProcessEvent::Registered);
        Process::child(pid).map_err(|e| {
            abandon(registry, pid);
            Error::new(
                Code::Io,
                format!("process {pid} was started but cannot be held: {e}; it was killed"),
            )
        })
    });
    registry.tell_or_log(0, ProcessEvent::Spawned);
    started
}

/// Ends a child for which nobody has waited, so that its bare pid is still its own.
fn abandon(registry: &Registry, pid: u32) {
    let Some(child) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return;
    };
    let ended = kill_process(child, Signal::KILL)
        .and_then(|()| rustix::io::retry_on_intr(|| waitpid(Some(child), WaitOptions::empty())));
    match ended {
        Ok(_) => registry.tell_or_log(pid, ProcessEvent::Released),
        Err(error) => tracing::warn!(pid, %error, "a process that cannot be held cannot be ended either"),
    }
}

fn image(
    workload: &Workload,
    program: &Path,
    environment: &BTreeMap<OsString, OsString>,
) -> Result<Image, RequestError> {
    let variables = environment
        .iter()
        .map(|(name, value)| (name.as_os_str(), value.as_os_str()));
    Image::new(program, workload.arguments.iter().map(String::as_str), variables)
}

/// The output file, twice: for standard output and for standard error.
fn output(path: &Path) -> Result<(Stdio, Stdio), StartError> {
    let open = || -> io::Result<(File, File)> {
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
        Ok((file.try_clone()?, file))
    };
    let (output, errors) = open().map_err(|cause| StartError::Output {
        path: path.into(),
        cause,
    })?;
    Ok((output.into(), errors.into()))
}
