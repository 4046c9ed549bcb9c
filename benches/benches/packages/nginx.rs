//! The server: nginx from Debian on loopback.

use crate::input::Input;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::TcpListener;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

pub(crate) struct Nginx {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Nginx {
    /// Serves a folder; nothing, and a word about it, where there is no nginx. It inherits a socket that listens already
    /// (its own way of replacing itself), so the port is the system's choice and nobody waits for it.
    pub(crate) fn start(root: &Path) -> Option<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        fcntl_setfd(&listener, FdFlags::empty()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path temp;"))
            .concat();
        // Its workers are another user's otherwise, who may not look into the folder.
        let user = if rustix::process::geteuid().is_root() {
            "user root;"
        } else {
            ""
        };
        let config = format!(
            "{user} daemon off; pid nginx.pid; error_log stderr; events {{}}\n\
             http {{ {temporary} log_format sent '$body_bytes_sent'; access_log sent.log sent; sendfile on; tcp_nopush on;\n\
             root {}; server {{ listen 127.0.0.1:{port}; }} }}",
            root.display()
        );
        fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let mut command = Command::new("nginx");
        command
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "stderr"]);
        command.env("NGINX", format!("{};", listener.as_raw_fd()));
        match command.stdin(Stdio::null()).stderr(Stdio::null()).spawn() {
            Ok(process) => Some(Self { process, port, folder }),
            Err(e) => {
                eprintln!("SKIPPED: no nginx here ({e}); ./test installs it");
                None
            }
        }
    }

    pub(crate) fn url(&self, input: &Input) -> String {
        format!("http://127.0.0.1:{}/{}", self.port, input.file)
    }

    /// Bytes of bodies that it has sent.
    pub(crate) fn bytes(&self) -> u64 {
        let log = fs::read_to_string(self.folder.path().join("sent.log")).unwrap();
        log.lines().map(|line| line.parse::<u64>().unwrap()).sum()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed outright it would leave its workers behind.
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let _ = self.process.wait();
    }
}
