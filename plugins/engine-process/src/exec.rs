//! Runs a command beside an instance: in its environment and directory, in a session of its own.

use crate::cgroup::Group;
use crate::confine::Confinement;
use crate::engine::running;
use crate::error::{RequestError, StartError};
use crate::launch::begin;
use crate::plugin::ProcessEngine;
use crate::proc::{self, Patience};
use crate::process::Process;
use crate::program;
use crate::registry::Registry;
use crate::sandbox::{Sandbox, User};
use crate::spawn::{self, Image};
use aerolith_plugin::wire::engine::{Exec, Executed};
use aerolith_plugin::wire::host::ProcessEvent;
use aerolith_plugin::wire::payload::Blob;
use aerolith_plugin::{Context, Error, Result};
use rustix::fd::OwnedFd;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::time::timeout;

/// Bytes of output that are kept.
const OUTPUT: usize = 64 * 1024;
/// Where programs are looked for when the instance's environment has no `PATH`.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

impl ProcessEngine {
    /// Runs a command to its end, or kills its group when the time is over; 0 sets no limit. When the caller goes away, the
    /// command is killed.
    ///
    /// # Errors
    /// When the instance does not run, or the command cannot be started.
    pub(crate) async fn execute(&self, request: Exec) -> Result<Executed> {
        let instance = self.instance(request.handle).await?;
        let beside = running(&instance)?.known().pid;
        let command = request.command;
        let (command, pipe) = self
            .blocking(move |registry| Command::start(registry, beside, instance.group.as_ref(), &command))
            .await?;
        let limit = (request.timeout_ms > 0).then(|| Duration::from_millis(request.timeout_ms));
        let output = collect(&command.process, pipe, limit).await.map_err(Error::io)?;
        let exit = command.process.exit().unwrap_or_default();
        Ok(Executed {
            exit,
            output: Blob(output),
        })
    }
}

/// A command under way; dropping it kills its group and waits for it.
struct Command {
    process: Process,
    context: Context,
}

impl Command {
    fn start(registry: &Registry, beside: u32, group: Option<&Group>, command: &[String]) -> Result<(Self, OwnedFd)> {
        let (name, arguments) = command.split_first().ok_or(RequestError::NoCommand)?;
        let unreadable = |path: String| {
            move |cause| StartError::Unreadable {
                path: path.into(),
                cause,
            }
        };
        let cwd = format!("/proc/{beside}/cwd");
        let directory = fs::read_link(&cwd).map_err(unreadable(cwd))?;
        let environment =
            proc::environment(beside, &Patience::new()).map_err(unreadable(format!("/proc/{beside}/environ")))?;
        let program = found(name, &environment, &directory)?;
        let variables = environment.iter().filter_map(|entry| split(entry));
        let image = Image::new(&program, arguments.iter().map(String::as_str), variables)?;
        let sandbox = Sandbox::like(beside).map_err(unreadable(format!("/proc/{beside}/status")))?;
        let user = sandbox.user().map(User::number);
        let confinement = Confinement::within(group).map_err(Error::io)?;
        let (pipe, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(Error::io)?;
        let errors = writer.try_clone().map_err(Error::io)?;
        let process = begin(registry, || {
            spawn::spawn(image, confinement, sandbox, &directory, writer.into(), errors.into())
                .map_err(|e| program::explain(&program, &directory, user, e).into())
        })?;
        Ok((
            Self {
                process,
                context: registry.context.clone(),
            },
            pipe,
        ))
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        self.process.signal_group(Signal::KILL);
        let context = self.context.clone();
        let Ok(Some(process)) = Process::open(self.process.known()) else {
            return;
        };
        self.context.spawn(async move {
            if process.ended().await.is_ok() {
                process.reap();
                let released = ProcessEvent::Released;
                // The core is going down when it takes nothing.
                let _ = context.process(&aerolith_plugin::wire::host::Process {
                    pid: process.known().pid,
                    event: released,
                });
            }
        });
    }
}

fn found(name: &str, environment: &[Vec<u8>], directory: &Path) -> Result<PathBuf, StartError> {
    let path = environment
        .iter()
        .find_map(|e| std::str::from_utf8(e.strip_prefix(b"PATH=")?).ok())
        .unwrap_or(PATH);
    program::search(name, path, directory).ok_or_else(|| StartError::NotOnPath {
        name: name.into(),
        path: path.into(),
    })
}

fn split(entry: &[u8]) -> Option<(&OsStr, &OsStr)> {
    let at = entry.iter().position(|b| *b == b'=').filter(|at| *at > 0)?;
    Some((OsStr::from_bytes(&entry[..at]), OsStr::from_bytes(&entry[at + 1..])))
}

/// What a command writes until it ends. A process that it leaves behind with the pipe in hand is not waited for.
async fn collect(process: &Process, pipe: OwnedFd, limit: Option<Duration>) -> io::Result<Vec<u8>> {
    let mut pipe = Receiver::from_owned_fd(pipe)?;
    let (mut output, mut buffer, mut open) = (Vec::new(), vec![0; 8192], true);
    let mut ended = std::pin::pin!(ended(process, limit));
    loop {
        tokio::select! {
            read = pipe.read(&mut buffer), if open => {
                let count = read?;
                open = count > 0;
                keep(&mut output, &buffer[..count]);
            }
            end = &mut ended => break end?,
        }
    }
    // Asked of the system itself: the runtime may not have heard yet of what was written last.
    while open && output.len() < OUTPUT {
        match rustix::io::read(&pipe, &mut *buffer) {
            Ok(count @ 1..) => keep(&mut output, &buffer[..count]),
            _ => break,
        }
    }
    Ok(output)
}

async fn ended(process: &Process, limit: Option<Duration>) -> io::Result<()> {
    let Some(limit) = limit else {
        return process.ended().await;
    };
    match timeout(limit, process.ended()).await {
        Ok(ended) => ended,
        Err(_over) => {
            process.signal_group(Signal::KILL);
            process.ended().await
        }
    }
}

fn keep(output: &mut Vec<u8>, bytes: &[u8]) {
    output.extend_from_slice(&bytes[..bytes.len().min(OUTPUT - output.len())]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_split_at_its_first_equals_sign() {
        assert_eq!(split(b"A=b=c"), Some((OsStr::new("A"), OsStr::new("b=c"))));
        assert_eq!(split(b"=b"), None);
        assert_eq!(split(b"AB"), None);
    }

    #[test]
    fn output_is_cut_at_its_bound() {
        let mut output = vec![0; OUTPUT - 1];
        keep(&mut output, b"ab");
        keep(&mut output, b"c");
        assert_eq!((output.len(), output[OUTPUT - 1]), (OUTPUT, b'a'));
    }
}
