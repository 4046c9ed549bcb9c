//! Why a request cannot be done: what was wanted, what was found, what to do.

use crate::step::Step;
use aerolith_plugin::{Code, Error};
use std::io;
use std::path::PathBuf;

/// What is wrong with the request itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error(
        "`{field}` is {value:?}: it marks every process of the instance, so it must not be empty or hold a zero byte"
    )]
    Mark { field: &'static str, value: String },
    #[error("{subject} holds a zero byte or, in a variable's name, `=`: no program can be given that")]
    Text { subject: String },
    #[error(
        "instance {instance} has no `program`: this engine runs program packages, an image needs a container engine"
    )]
    NoProgram { instance: String },
    #[error("the command is empty: name a program and its arguments")]
    NoCommand,
    #[error("signal {0} is not one that a process can be sent by name: 1 to 31 are")]
    Signal(i32),
    #[error("the processors {0:?} are none: list them as the kernel does, `0-3,6`")]
    Cpus(String),
    #[error("the handle of instance {instance} is not one of this engine: {cause}")]
    Handle { instance: String, cause: serde_json::Error },
    #[error(
        "the state that the predecessor left is not one of this engine: {0}; restart the daemon to recover by marks"
    )]
    Inherited(serde_json::Error),
}

impl From<RequestError> for Error {
    fn from(e: RequestError) -> Self {
        Self::invalid(e)
    }
}

/// Why a program cannot be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("directory {0} does not exist: it must be made before the program starts in it")]
    NoDirectory(PathBuf),
    #[error("program {0} does not exist: compare the package's `entry` with what the package holds")]
    NotFound(PathBuf),
    #[error("program {entry} lies outside of its package {package}: `entry` must stay inside")]
    Outside { entry: PathBuf, package: PathBuf },
    #[error("program {0} is not a regular file")]
    NotAFile(PathBuf),
    #[error("program {0} has no execute permission: set its mode to 0755 in the package")]
    NotExecutable(PathBuf),
    #[error("program {0} is neither an ELF program nor a script that begins with `#!`: the system cannot execute it")]
    UnknownFormat(PathBuf),
    #[error("program {program} is for {found}, this machine is {expected}: take the package for this platform")]
    WrongMachine {
        program: PathBuf,
        found: String,
        expected: String,
    },
    #[error("program {program} needs the interpreter {interpreter:?}, which is not on this machine: install it")]
    NoInterpreter { program: PathBuf, interpreter: PathBuf },
    #[error(
        "program {program} needs the loader {loader}, which is not on this machine: it was built for another system"
    )]
    NoLoader { program: PathBuf, loader: PathBuf },
    #[error("program {0} is open for writing (text busy): wait until it is written completely")]
    TextBusy(PathBuf),
    #[error("program {name} is in none of {path}: name its path or install it")]
    NotOnPath { name: String, path: String },
    #[error("user `{user}`: {reason}")]
    NoUser { user: String, reason: String },
    #[error("user {user} may not execute {program}: it and each folder above it must be open to that user")]
    NotForUser { program: PathBuf, user: u32 },
    #[error("capability `{0}` is none that Linux has: write it as in capabilities(7), such as NET_RAW, or ALL")]
    NoCapability(String),
    #[error("system call `{0}` is none of this machine: write it as in syscalls(2)")]
    NoSystemCall(String),
    #[error("system calls cannot be filtered on this machine: {0}; leave `security.systemCalls` away")]
    NoFilter(String),
    #[error("its files cannot be shut away: {0}")]
    NoRules(String),
    #[error(
        "a `/tmp` of its own would hide {0}, which it needs: keep the data folder elsewhere, or leave \
         `security.privateTmp` away"
    )]
    Hidden(PathBuf),
    #[error("folder {folder} cannot be given to its user: {cause}")]
    NotGiven { folder: PathBuf, cause: io::Error },
    #[error("{step} failed: {cause}")]
    Confinement { step: Step, cause: io::Error },
    #[error("output file {path}: {cause}")]
    Output { path: PathBuf, cause: io::Error },
    #[error("{path}: {cause}")]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error("program {program} in {directory}: {cause}")]
    Other {
        program: PathBuf,
        directory: PathBuf,
        cause: io::Error,
    },
}

impl StartError {
    fn code(&self) -> Code {
        match self {
            Self::NoDirectory(_) | Self::NotFound(_) | Self::NotOnPath { .. } => Code::NotFound,
            Self::NoInterpreter { .. } | Self::NoLoader { .. } => Code::NotFound,
            Self::TextBusy(_) => Code::Busy,
            Self::Output { .. } | Self::Unreadable { .. } | Self::Confinement { .. } | Self::Other { .. } => Code::Io,
            Self::NotGiven { .. } => Code::Io,
            _ => Code::Invalid,
        }
    }
}

impl From<StartError> for Error {
    fn from(e: StartError) -> Self {
        Self::new(e.code(), e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_by_itself_is_worth_another_try() {
        assert!(Error::from(StartError::TextBusy("/p".into())).retryable);
        assert!(!Error::from(StartError::NotFound("/p".into())).retryable);
        assert!(!Error::from(StartError::UnknownFormat("/p".into())).retryable);
        assert!(!Error::from(RequestError::NoCommand).retryable);
    }
}
