//! The mark in the environment by which everything that an instance started is found again.

use crate::error::RequestError;
use std::fs::File;
use std::io::{self, Read};
use std::time::{Duration, Instant};

/// The variable that names the instance.
pub(crate) const INSTANCE: &str = "AEROLITH_INSTANCE";
/// The variable that names the start.
pub(crate) const TOKEN: &str = "AEROLITH_TOKEN";

/// Instance and token, as every process of one start carries them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Mark {
    pub(crate) instance: String,
    pub(crate) token: String,
}

/// How long one search waits for processes that are just being executed.
pub(crate) struct Patience(Instant);

impl Patience {
    /// From now on.
    pub(crate) fn new() -> Self {
        Self(Instant::now() + Duration::from_secs(2))
    }
}

/// The environment that a process was given when it was executed, one `NAME=value` each.
///
/// While it is executed, a process shows none for a moment, or a part of the former one. No event tells when that is over,
/// so it is looked at again until the length is the one that the kernel says.
///
/// # Errors
/// When it is gone, or is another user's.
pub(crate) fn environment(pid: u32, patience: &Patience) -> io::Result<Vec<Vec<u8>>> {
    loop {
        let bytes = read(pid)?;
        if let Some(bytes) = bytes.or_else(|| (Instant::now() > patience.0).then(Vec::new)) {
            let entries = bytes.split(|b| *b == 0).filter(|entry| !entry.is_empty());
            return Ok(entries.map(<[u8]>::to_vec).collect());
        }
        std::thread::yield_now();
    }
}

/// The whole environment; nothing while the process is executed. It is read at once: between two reads the kernel may take
/// it away.
fn read(pid: u32) -> io::Result<Option<Vec<u8>>> {
    let mut file = File::open(format!("/proc/{pid}/environ"))?;
    let process = super::stat(pid).ok_or(io::ErrorKind::NotFound)?;
    if process.ended() || process.kernel {
        return Ok(Some(Vec::new()));
    }
    let Some(length) = process.environment.and_then(|length| usize::try_from(length).ok()) else {
        return Ok(None);
    };
    let mut bytes = vec![0; length];
    let count = file.read(&mut bytes)?;
    Ok((count == length).then_some(bytes))
}

impl Mark {
    /// A mark of two names that an environment can hold.
    ///
    /// # Errors
    /// When one of them is empty or holds a zero byte: it would mark nothing, or everything.
    pub(crate) fn new(instance: &str, token: &str) -> Result<Self, RequestError> {
        for (field, value) in [("instance", instance), ("token", token)] {
            if value.is_empty() || value.contains('\0') {
                return Err(RequestError::Mark {
                    field,
                    value: value.to_owned(),
                });
            }
        }
        Ok(Self {
            instance: instance.into(),
            token: token.into(),
        })
    }

    /// The two variables.
    pub(crate) fn variables(&self) -> [(&'static str, &str); 2] {
        [(INSTANCE, &self.instance), (TOKEN, &self.token)]
    }

    /// Whether the environment carries this very mark.
    pub(crate) fn is_in(&self, environment: &[Vec<u8>]) -> bool {
        self.variables()
            .iter()
            .all(|(name, value)| value_of(environment, name) == Some(value.as_bytes()))
    }

    /// Whether the environment carries the mark of another start. One that carries none says nothing: a program may
    /// overwrite or clear its environment.
    pub(crate) fn is_denied_by(&self, environment: &[Vec<u8>]) -> bool {
        value_of(environment, TOKEN).is_some_and(|token| token != self.token.as_bytes())
    }
}

fn value_of<'a>(environment: &'a [Vec<u8>], name: &str) -> Option<&'a [u8]> {
    environment
        .iter()
        .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> Vec<Vec<u8>> {
        entries.iter().map(|e| e.as_bytes().to_vec()).collect()
    }

    #[test]
    fn both_variables_make_the_mark() {
        let mark = Mark::new("a.b.1", "t1").unwrap();
        assert!(mark.is_in(&list(&["PATH=/bin", "AEROLITH_TOKEN=t1", "AEROLITH_INSTANCE=a.b.1"])));
        assert!(!mark.is_in(&list(&["AEROLITH_TOKEN=t1"])));
        assert!(!mark.is_in(&list(&["AEROLITH_TOKEN=t11", "AEROLITH_INSTANCE=a.b.1"])));
        assert!(!mark.is_in(&list(&["XAEROLITH_TOKEN=t1", "AEROLITH_INSTANCE=a.b.1"])));
    }

    #[test]
    fn only_another_token_denies_a_mark() {
        let mark = Mark::new("a.b.1", "t1").unwrap();
        assert!(mark.is_denied_by(&list(&["AEROLITH_TOKEN=t2"])));
        assert!(!mark.is_denied_by(&list(&["AEROLITH_TOKEN=t1"])));
        assert!(!mark.is_denied_by(&list(&["PATH=/bin"])));
    }

    #[test]
    fn an_empty_token_marks_nothing() {
        assert!(Mark::new("a.b.1", "").unwrap_err().to_string().contains("token"));
        assert!(Mark::new("a\0b", "t").unwrap_err().to_string().contains("instance"));
    }

    #[test]
    fn a_process_is_never_seen_without_its_mark_while_it_is_executed() {
        let mark = Mark::new("a.b.1", "executed").unwrap();
        for _ in 0..50 {
            // Four executions one behind the other, each with the same environment.
            let mut command = std::process::Command::new("sh");
            command
                .args(["-c", "exec sh -c 'exec sh -c \"exec sleep 60\"'"])
                .envs(mark.variables());
            let mut child = command.spawn().unwrap();
            let carried = (0..200).all(|_| mark.is_in(&environment(child.id(), &Patience::new()).unwrap()));
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(carried);
        }
    }

    #[test]
    fn the_environment_of_this_process_can_be_read() {
        assert!(
            environment(std::process::id(), &Patience::new())
                .unwrap()
                .iter()
                .any(|e| e.starts_with(b"PATH="))
        );
    }
}
