//! The peers: what an administrator would type.

use crate::input::Input;
use std::path::Path;
use std::process::{Command, Stdio};

/// A line of shell, in which `$url` is fetched, checked against `$sha256` and unpacked into `tree`.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    programs: &'static [&'static str],
    line: &'static str,
}

pub(crate) const LINES: [Line; 2] = [
    Line {
        name: "curl; sha256sum; unzip",
        programs: &["curl", "sha256sum", "unzip"],
        line: "curl -sSf -o zip $url && echo $sha256 zip | sha256sum -c --quiet && unzip -q zip -d tree",
    },
    Line {
        name: "curl; openssl dgst; bsdtar",
        programs: &["curl", "openssl", "bsdtar"],
        line: "curl -sSf -o zip $url && openssl dgst -sha256 -r zip | grep -q $sha256 && mkdir tree && bsdtar -xf zip -C tree",
    },
];

impl Line {
    /// Whether its programs are here; a word about it where one is not.
    pub(crate) fn is_here(&self) -> bool {
        let missing = self.programs.iter().find(|program| {
            let found = Command::new("sh")
                .args(["-c", &format!("command -v {program}")])
                .stdout(Stdio::null())
                .status();
            !found.unwrap().success()
        });
        if let Some(missing) = missing {
            eprintln!("SKIPPED the peer `{}`: no {missing} here", self.name);
        }
        missing.is_none()
    }

    pub(crate) fn deploy(&self, url: &str, input: &Input, folder: &Path) {
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", self.line]).current_dir(folder);
        let status = shell.env("url", url).env("sha256", &input.sha256).status();
        assert!(status.unwrap().success(), "{}", self.name);
    }
}
