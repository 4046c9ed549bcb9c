//! The socket: made with its permissions, and never taken from a daemon that lives.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use tokio::net::UnixListener;

/// Who may connect: the owner and the group.
const MODE: u32 = 0o660;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// A listening socket with its file; dropping it removes the file, unless another daemon's stands there by then.
#[derive(Debug)]
pub struct Listener {
    pub(crate) inner: UnixListener,
    path: PathBuf,
    identity: (u64, u64),
}

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody answers on it.
    #[error("socket {0}: a daemon is already listening there; stop it, or choose another with --socket")]
    Live(PathBuf),
    /// Something else stands there.
    #[error("socket {0}: expected a socket or nothing at that path, found another file; choose another with --socket")]
    NotASocket(PathBuf),
    /// The path does not fit into an address (unix(7)).
    #[error("socket {0}: the path has {len} bytes, and at most 103 fit; choose a shorter one with --socket", len = .0.as_os_str().len())]
    TooLong(PathBuf),
    /// The system refused.
    #[error("socket {path}: cannot {action}: {source}")]
    Io {
        /// Which socket.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

impl Listener {
    /// Listens at a path. A file left by a daemon that is gone is replaced at once, so that a client never finds nothing.
    /// To be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`ListenError`] says what stands in the way; nothing is removed then.
    pub fn open(path: &Path) -> Result<Self, ListenError> {
        check_free(path)?;
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let new = PathBuf::from(new);
        remove_socket(&new).map_err(io_at(path, "remove what an earlier start left beside it"))?;
        let address = SocketAddrUnix::new(&new).map_err(|_| ListenError::TooLong(path.into()))?;
        let inner = made(&address, &new).map_err(io_at(path, "listen"))?;
        let meta = fs::symlink_metadata(&new).map_err(io_at(path, "look at it"))?;
        fs::rename(&new, path).map_err(io_at(path, "put it in its place"))?;
        Ok(Self {
            inner,
            path: path.into(),
            identity: (meta.dev(), meta.ino()),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|meta| (meta.dev(), meta.ino()) == self.identity);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the socket's file stays");
        }
    }
}

fn io_at(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> ListenError {
    move |source| ListenError::Io {
        path: path.into(),
        action,
        source,
    }
}

fn check_free(path: &Path) -> Result<(), ListenError> {
    let meta = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(io_at(path, "look at it"))?,
    };
    if !meta.file_type().is_socket() {
        return Err(ListenError::NotASocket(path.into()));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(ListenError::Live(path.into())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(source) => Err(io_at(path, "find out whether a daemon is listening there")(source)),
    }
}

fn remove_socket(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.file_type().is_socket() => fs::remove_file(path),
        _ => Ok(()),
    }
}

/// The mode is set before the file appears (Linux takes it from the socket, less the umask), so that at no moment anybody
/// else may connect; what the umask took is given back afterwards.
fn made(address: &SocketAddrUnix, path: &Path) -> io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    fchmod(&socket, Mode::from_raw_mode(MODE))?;
    bind(&socket, address)?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
    listen(&socket, BACKLOG)?;
    UnixListener::from_std(std::os::unix::net::UnixListener::from(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[tokio::test]
    async fn the_socket_is_for_owner_and_group_and_goes_with_its_listener() {
        let folder = folder();
        let path = folder.path().join("a.sock");
        let listener = Listener::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(listener.path(), path);
        drop(listener);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_live_socket_is_refused_and_a_stale_one_replaced() {
        let folder = folder();
        let path = folder.path().join("a.sock");
        let first = Listener::open(&path).unwrap();
        assert!(matches!(Listener::open(&path), Err(ListenError::Live(_))));
        drop(first);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let second = Listener::open(&path).unwrap();
        assert!(UnixStream::connect(second.path()).is_ok());
    }

    #[tokio::test]
    async fn another_file_is_left_alone() {
        let folder = folder();
        let path = folder.path().join("notes");
        fs::write(&path, "mine").unwrap();
        assert!(matches!(Listener::open(&path), Err(ListenError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }

    #[tokio::test]
    async fn the_file_of_a_successor_is_not_removed() {
        let folder = folder();
        let path = folder.path().join("a.sock");
        let listener = Listener::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let successor = Listener::open(&path).unwrap();
        drop(listener);
        assert!(UnixStream::connect(successor.path()).is_ok());
    }

    #[tokio::test]
    async fn a_path_that_fits_no_address_is_refused_with_its_length() {
        let path = folder().path().join("x".repeat(120));
        let error = Listener::open(&path).unwrap_err().to_string();
        assert!(error.contains("at most 103 fit"), "{error}");
    }
}
