//! A server that the world uses: nginx from Debian, in a folder and on a port of the test's own.

use crate::server::{fetch, fetch_with, whole};
use aerolith_plugin::Code;
use aerolith_plugin::wire::fetcher::Fetch;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What lies there: more than one piece.
fn content() -> Vec<u8> {
    (0..3_000_000_u32).map(|i| (i % 251) as u8).collect()
}

struct Nginx {
    process: Child,
    port: u16,
    folder: TempDir,
}

/// nginx with these lines in its server; nothing, and a word about it, where there is none. It inherits a socket that
/// listens already (its own way of replacing itself), so the port is the system's choice and nobody waits for it.
fn nginx(sealed: bool, lines: &str) -> Option<Nginx> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    fcntl_setfd(&listener, FdFlags::empty()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("www")).unwrap();
    fs::write(at("www/p.zip"), content()).unwrap();
    let listen = if sealed { certify(&folder) } else { ";".into() };
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
         http {{ {temporary} access_log off; root www; server {{ listen 127.0.0.1:{port} {listen} {lines} }} }}"
    );
    fs::write(at("nginx.conf"), config).unwrap();
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(folder.path())
        .args(["-c", "nginx.conf", "-e", "stderr"]);
    command.env("NGINX", format!("{};", listener.as_raw_fd()));
    match command.stdin(Stdio::null()).stderr(Stdio::null()).spawn() {
        Ok(process) => Some(Nginx { process, port, folder }),
        Err(e) => {
            eprintln!("SKIPPED: no nginx here ({e}); ./test installs it");
            None
        }
    }
}

/// An authority, a certificate of it for `localhost`, and one for a node, as files; the rest of the line that listens.
fn certify(folder: &TempDir) -> String {
    let key = || KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, key()).unwrap();
    fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    for name in ["localhost", "node"] {
        let key = key();
        let mut certificate = CertificateParams::new([name.to_owned()]).unwrap();
        certificate.distinguished_name.push(DnType::CommonName, name);
        let certificate = certificate.signed_by(&key, &authority).unwrap();
        fs::write(folder.path().join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(folder.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    "ssl http2; ssl_certificate localhost.pem; ssl_certificate_key localhost.key; ssl_client_certificate ca.pem;".into()
}

impl Nginx {
    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn sealed_url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A configuration that trusts its authority.
    fn trusted(&self) -> String {
        format!(r#"{{"ca":{:?}}}"#, self.path("ca.pem"))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed outright it would leave its workers behind.
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let _ = self.process.wait();
    }
}

fn resumed(whole: &Fetch, config: &str) {
    let first = fetch_with(config, whole);
    assert!(first.bytes() == content());
    let validator = first.head.unwrap().validator;
    assert!(validator.etag.is_some() && validator.last_modified.is_some());
    let rest = Fetch {
        offset: 1_000_000,
        validator: validator.clone(),
        ..whole.clone()
    };
    let got = fetch_with(config, &rest);
    assert_eq!(
        (got.offset(), got.head.clone().unwrap().size),
        (1_000_000, Some(3_000_000))
    );
    assert!(got.bytes() == content()[1_000_000..]);
    let again = fetch_with(
        config,
        &Fetch {
            unless: validator.clone(),
            ..whole.clone()
        },
    );
    let head = again.head.unwrap();
    assert!(head.unchanged && head.validator == validator && again.pieces.is_empty());
    let mut changed = rest;
    changed.validator.etag = Some("\"other\"".into());
    let got = fetch_with(config, &changed);
    assert!(got.offset() == 0 && got.bytes() == content());
}

#[test]
fn a_fetch_goes_on_begins_anew_and_knows_what_it_has_over_http() {
    let Some(nginx) = nginx(false, "") else { return };
    resumed(&whole(nginx.url("/p.zip")), "{}");
}

#[test]
fn the_same_over_https_and_http_2() {
    let Some(nginx) = nginx(true, "location = /protocol { return 200 $server_protocol; }") else {
        return;
    };
    let config = nginx.trusted();
    resumed(&whole(nginx.sealed_url("/p.zip")), &config);
    let protocol = fetch_with(&config, &whole(nginx.sealed_url("/protocol")));
    assert_eq!(protocol.bytes(), b"HTTP/2.0");
}

#[test]
fn redirects_are_followed_over_both_servers() {
    let Some(there) = nginx(false, "") else { return };
    let lines = format!(
        "absolute_redirect off; location /a {{ return 301 /b; }} location /b {{ return 307 {}; }}",
        there.url("/p.zip")
    );
    let Some(here) = nginx(false, &lines) else { return };
    assert!(fetch(&whole(here.url("/a"))).bytes() == content());
}

#[test]
fn a_name_and_a_password_open_what_is_closed() {
    let Some(nginx) = nginx(false, "auth_basic x; auth_basic_user_file users;") else {
        return;
    };
    fs::write(nginx.path("users"), "roof:{PLAIN}open sesame\n").unwrap();
    let closed = fetch(&whole(nginx.url("/p.zip"))).error();
    assert!(
        closed.code == Code::Denied && closed.message.contains("401"),
        "{closed}"
    );
    let credentials = [("username", "roof"), ("password", "open sesame")];
    let got = fetch(&Fetch {
        credentials: credentials.map(|(k, v)| (k.into(), v.into())).into(),
        ..whole(nginx.url("/p.zip"))
    });
    assert!(got.bytes() == content(), "{:?}", got.end);
}

#[test]
fn a_certificate_of_ones_own_is_shown_from_files_and_from_a_secret() {
    let Some(nginx) = nginx(true, "ssl_verify_client on;") else {
        return;
    };
    let url = nginx.sealed_url("/p.zip");
    let stranger = fetch_with(&nginx.trusted(), &whole(url.clone())).error();
    assert!(stranger.message.contains("400"), "{stranger}");
    let files = format!(
        r#"{{"ca":{:?},"clientCertificate":{:?},"clientKey":{:?}}}"#,
        nginx.path("ca.pem"),
        nginx.path("node.pem"),
        nginx.path("node.key")
    );
    assert!(fetch_with(&files, &whole(url.clone())).bytes() == content());
    let credentials = [("clientCertificate", "node.pem"), ("clientKey", "node.key")];
    let got = fetch_with(
        &nginx.trusted(),
        &Fetch {
            credentials: credentials.map(|(k, file)| (k.into(), nginx.text(file))).into(),
            ..whole(url)
        },
    );
    assert!(got.bytes() == content(), "{:?}", got.end);
}

#[test]
fn a_certificate_of_ones_own_is_not_shown_to_a_server_that_a_redirect_leads_to() {
    let Some(there) = nginx(
        true,
        "ssl_verify_client optional; location / { return 200 \"shown:$ssl_client_verify\"; }",
    ) else {
        return;
    };
    let authority = there.text("ca.pem");
    let lines = format!("location / {{ return 302 {}; }}", there.sealed_url("/x"));
    let Some(here) = nginx(true, &lines) else { return };
    let both = here.path("both.pem");
    fs::write(&both, here.text("ca.pem") + &authority).unwrap();
    let config = format!(
        r#"{{"ca":{both:?},"clientCertificate":{:?},"clientKey":{:?}}}"#,
        there.path("node.pem"),
        there.path("node.key")
    );
    assert_eq!(
        fetch_with(&config, &whole(here.sealed_url("/p"))).bytes(),
        b"shown:NONE"
    );
    assert_eq!(
        fetch_with(&config, &whole(there.sealed_url("/p"))).bytes(),
        b"shown:SUCCESS"
    );
}
