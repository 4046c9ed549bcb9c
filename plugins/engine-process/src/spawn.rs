//! Fork and execute: the one place where the compiler's guard is off, because between the two only calls that are safe in
//! a signal handler may be made.

#![allow(unsafe_code, reason = "what runs between fork and exec")]

use crate::confine::Confinement;
use crate::error::RequestError;
use crate::sandbox::Sandbox;
use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::FdFlags;
use std::ffi::{CStr, CString, OsStr, c_char};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// What is executed: program, arguments with the name in front, and the whole environment.
pub(crate) struct Image {
    program: CString,
    arguments: Texts,
    environment: Texts,
}

impl Image {
    /// Texts as the system takes them; the first argument is the program's own path.
    ///
    /// # Errors
    /// When one holds a zero byte, or a variable's name is empty or holds `=`.
    pub(crate) fn new<'a>(
        program: &Path,
        arguments: impl IntoIterator<Item = &'a str>,
        environment: impl IntoIterator<Item = (&'a OsStr, &'a OsStr)>,
    ) -> Result<Self, RequestError> {
        let name = program.as_os_str().as_bytes();
        let mut texts = vec![text(name, || "the program's path".into())?];
        for argument in arguments {
            texts.push(text(argument.as_bytes(), || format!("argument {argument:?}"))?);
        }
        let environment = environment.into_iter().map(|(name, value)| variable(name, value));
        Ok(Self {
            program: text(name, || "the program's path".into())?,
            arguments: Texts::new(texts),
            environment: Texts::new(environment.collect::<Result<_, _>>()?),
        })
    }
}

fn text(bytes: &[u8], subject: impl FnOnce() -> String) -> Result<CString, RequestError> {
    CString::new(bytes).map_err(|_| RequestError::Text { subject: subject() })
}

fn variable(name: &OsStr, value: &OsStr) -> Result<CString, RequestError> {
    let subject = || format!("variable {name:?}");
    if name.is_empty() || name.as_bytes().contains(&b'=') {
        return Err(RequestError::Text { subject: subject() });
    }
    text(&[name.as_bytes(), b"=", value.as_bytes()].concat(), subject)
}

/// Texts with the null-terminated list of pointers to them that `execve` takes.
struct Texts {
    _owned: Vec<CString>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers lead into `_owned`, which nobody changes and which moves along with them.
unsafe impl Send for Texts {}
// SAFETY: as above; sharing allows reading only.
unsafe impl Sync for Texts {}

impl Texts {
    fn new(owned: Vec<CString>) -> Self {
        let pointers = owned.iter().map(|t| t.as_ptr()).chain([std::ptr::null()]).collect();
        Self {
            _owned: owned,
            pointers,
        }
    }
}

/// Starts a process in a session and group of its own, confined and in its sandbox, with default signals and no descriptor but
/// the three standard ones; standard input is empty. Answers its pid; the caller must wait for it.
///
/// `execve` is called directly, since the C library's `execvp` hands a file of a wrong format to a shell.
///
/// # Errors
/// What the system said to the fork, the directory or the program, or to a [`Step`](crate::step::Step).
pub(crate) fn spawn(
    image: Image,
    confinement: Confinement,
    sandbox: Sandbox,
    directory: &Path,
    output: Stdio,
    errors: Stdio,
) -> io::Result<u32> {
    let mut command = Command::new(OsStr::from_bytes(image.program.as_bytes()));
    command
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors);
    // SAFETY: the closure makes system calls only; it neither allocates nor locks.
    unsafe { command.pre_exec(move || Err(become_image(&image, &confinement, &sandbox))) };
    Ok(command.spawn()?.id())
}

/// Runs in the child; comes back only with an error.
fn become_image(image: &Image, confinement: &Confinement, sandbox: &Sandbox) -> io::Error {
    if let Err(e) = confinement.enter() {
        return e;
    }
    if let Err(e) = rustix::process::setsid().and_then(|_| close_others_on_exec()) {
        return e.into();
    }
    reset_signals();
    if let Err(e) = confinement.limit_files().and_then(|()| sandbox.enter()) {
        return e;
    }
    // SAFETY: a text and two lists of texts that end with a null pointer, all alive.
    unsafe {
        libc::execve(
            image.program.as_ptr(),
            image.arguments.pointers.as_ptr(),
            image.environment.pointers.as_ptr(),
        );
    }
    io::Error::last_os_error()
}

/// A signal that the daemon ignores would be ignored by the program, too.
fn reset_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: takes numbers; one that cannot be changed is refused.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

fn close_others_on_exec() -> rustix::io::Result<()> {
    let mut buffer = [MaybeUninit::uninit(); 2048];
    let listed = rustix::fs::open(
        c"/proc/self/fd",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut entries = RawDir::new(&listed, &mut buffer);
    while let Some(entry) = entries.next() {
        if let Some(number) = number(entry?.file_name()).filter(|n| *n > 2) {
            // SAFETY: the descriptor was listed just now, and this process has no other thread that could close it.
            let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
            rustix::io::fcntl_setfd(descriptor, FdFlags::CLOEXEC)?;
        }
    }
    Ok(())
}

fn number(name: &CStr) -> Option<i32> {
    std::str::from_utf8(name.to_bytes()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Image, RequestError> {
        let variables = environment.iter().map(|(n, v)| (OsStr::new(*n), OsStr::new(*v)));
        Image::new(Path::new("/bin/true"), arguments.iter().copied(), variables)
    }

    #[test]
    fn a_text_that_the_system_cannot_take_is_named() {
        assert!(image(&["a\0b"], &[]).err().unwrap().to_string().contains("argument"));
        assert!(image(&[], &[("A=B", "c")]).err().unwrap().to_string().contains("A=B"));
        assert!(image(&[], &[("", "c")]).is_err());
        assert!(image(&["x"], &[("A", "b=c")]).is_ok());
    }

    #[test]
    fn lists_end_with_a_null_pointer_and_begin_with_the_path() {
        let image = image(&["x"], &[("A", "b")]).unwrap();
        assert_eq!(image.arguments.pointers.len(), 3);
        assert!(image.arguments.pointers[2].is_null());
        assert_eq!(image.arguments._owned[0].as_bytes(), b"/bin/true");
        assert_eq!(image.environment._owned[0].as_bytes(), b"A=b");
    }
}
