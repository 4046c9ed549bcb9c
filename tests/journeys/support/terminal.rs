//! A terminal that a test holds the other end of (pty(7)).

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;

/// What a program draws on its terminal.
pub(crate) struct Terminal {
    controller: File,
    drawn: String,
}

impl Terminal {
    /// One, and its other end for a program. Reading ends when every copy of that is closed.
    pub(crate) fn open() -> (Self, Stdio) {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let user = rustix::fs::open(&*name, flags, Mode::empty()).unwrap();
        let controller = File::from(controller);
        let drawn = String::new();
        (Self { controller, drawn }, Stdio::from(user))
    }

    /// Everything drawn, once that is enough; all of it when the program has ended.
    pub(crate) fn until(&mut self, is_enough: impl Fn(&str) -> bool) -> &str {
        while !is_enough(&self.drawn) {
            let mut bytes = [0; 4096];
            // Once the other end is closed it fails with EIO.
            match self.controller.read(&mut bytes) {
                Ok(length @ 1..) => self.drawn.push_str(&String::from_utf8_lossy(&bytes[..length])),
                Ok(0) | Err(_) => break,
            }
        }
        &self.drawn
    }
}
