//! Ports of the host with real processes: each instance its own, found by others, and waited for while a stranger has one.

use super::texts::{application, file, script, service};
use crate::support::node::{Node, instances};
use crate::support::socket::PATIENCE;
use rustix::net::{self, AddressFamily, SocketType, sockopt};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

/// The port that the program below listens on.
const LISTEN: &str = "LISTEN_ON";

/// What an instance runs: says its name to whoever connects to its port. This executable is the program, since no system
/// has one for certain that listens.
#[test]
#[ignore = "it is the program that instances run"]
fn program() {
    let listener = TcpListener::bind(("127.0.0.1", std::env::var(LISTEN).unwrap().parse().unwrap())).unwrap();
    let name = std::env::var("BAETYL_SERVICE_INSTANCE_NAME").unwrap() + &std::env::var("VERSION").unwrap_or_default();
    for stream in listener.incoming() {
        stream.unwrap().write_all(name.as_bytes()).unwrap();
    }
}

/// The same, and it shares its port with others who say so.
#[test]
#[ignore = "it is a program that instances run"]
fn sharing_program() {
    let port = std::env::var(LISTEN).unwrap().parse().unwrap();
    let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_reuseport(&socket, true).unwrap();
    net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    net::listen(&socket, 16).unwrap();
    let name = std::env::var("BAETYL_SERVICE_INSTANCE_NAME").unwrap() + &std::env::var("VERSION").unwrap_or_default();
    for stream in TcpListener::from(socket).incoming() {
        stream.unwrap().write_all(name.as_bytes()).unwrap();
    }
}

/// A package that listens on the port that a variable of its environment names.
fn listening(name: &str, variable: &str) -> Value {
    running("program", name, variable)
}

fn running(program: &str, name: &str, variable: &str) -> Value {
    let this = std::env::current_exe().unwrap();
    let run = format!(
        "export {LISTEN}=\"${variable}\"; exec '{}' --ignored --exact deployment::ports::{program}",
        this.display()
    );
    script(name, &run)
}

/// A service that listens on a port of its own, in a version.
fn at_port(port: u16, version: &str, mut more: Value) -> Value {
    more["ports"] = json!([{"containerPort": port}]);
    more["env"] = json!([{"name": "PORT", "value": port.to_string()}, {"name": "VERSION", "value": version}]);
    more["readinessProbe"] = listens_at(port);
    service("web", "listens", more)
}

/// A port that nobody has for the time being.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// What the instance at a port says.
fn said_at(port: u16) -> String {
    ask(port).unwrap()
}

fn ask(port: u16) -> io::Result<String> {
    let mut said = String::new();
    TcpStream::connect(("127.0.0.1", port))?.read_to_string(&mut said)?;
    Ok(said)
}

/// Asks often whether somebody listens at a port.
fn listens_at(port: impl Into<Value>) -> Value {
    let port: Value = port.into();
    json!({"tcpSocket": {"port": port}, "periodSeconds": 1})
}

/// The ports of a service in `services.yml`.
fn ports_of(node: &Node, name: &str) -> Vec<u16> {
    let text = std::fs::read_to_string(node.path("data/run/services.yml")).unwrap_or_default();
    let mut lines = text.lines().skip_while(|line| *line != format!("\"{name}\":"));
    let list = lines.nth(1).unwrap_or_default().trim().trim_start_matches("ports: ");
    serde_json::from_str(list).unwrap_or_default()
}

#[test]
fn two_instances_listen_on_ports_of_their_own_and_are_found_by_services_yml() {
    let node = Node::started();
    let web = service(
        "web",
        "listens",
        json!({"replica": 2, "readinessProbe": listens_at("dynamic")}),
    );
    node.apply(&file(&[
        listening("listens", "BAETYL_SERVICE_DYNAMIC_PORT"),
        application("shop", &[web]),
    ]));
    node.until("both are found", |_| (ports_of(&node, "web").len() == 2).then_some(()));
    let ports = ports_of(&node, "web");
    assert_eq!(ports, ports_of(&node, "shop.web"));
    let said: BTreeSet<String> = ports.iter().map(|port| said_at(*port)).collect();
    assert_eq!(said, BTreeSet::from(["web".to_owned(), "web.i1".to_owned()]));
}

#[test]
fn a_port_that_a_stranger_holds_is_named_with_him_and_taken_once_he_is_gone() {
    let node = Node::started();
    let stranger = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = stranger.local_addr().unwrap().port();
    let mut more = json!({"ports": [{"containerPort": port}], "env": [{"name": "PORT", "value": port.to_string()}]});
    more["readinessProbe"] = listens_at(port);
    node.ask(&file(&[
        listening("listens", "PORT"),
        application("shop", &[service("web", "listens", more)]),
    ]));
    let held = format!("port {port} (TCP) is held by pid {} (", std::process::id());
    node.until("it says who has it", |status| {
        let all = instances(status);
        all.iter()
            .any(|one| one["reason"].as_str().unwrap().starts_with(&held))
            .then_some(())
    });
    drop(stranger);
    node.until("it listens", |status| {
        let mut all = instances(status).into_iter();
        let is_ready = |one: &Value| matches!(one["fitness"].as_str(), Some("ready" | "healthy"));
        all.any(|one| is_ready(&one)).then_some(())
    });
    assert_eq!(said_at(port), "web");
    // Another instance of the node is named as such.
    let bar = json!({"ports": [{"containerPort": port}], "env": [{"name": "PORT", "value": port.to_string()}]});
    let file_name = node.file(
        "cafe.yml",
        &file(&[application("cafe", &[service("bar", "listens", bar)])]),
    );
    let told = node.run(&["apply", "-f", &file_name]);
    assert!(
        told.code != 0 && told.err.contains("`shop.web`") && told.err.contains("`cafe.bar`"),
        "{told:?}"
    );
}

#[test]
fn a_process_that_has_a_port_for_itself_is_updated_by_default_and_back() {
    let node = Node::started();
    let port = free_port();
    let shop = |version: &str| {
        let services = [at_port(port, version, json!({}))];
        file(&[listening("listens", "PORT"), application("shop", &services)])
    };
    for version in ["/1", "/2"] {
        node.apply(&shop(version));
        assert_eq!(said_at(port), format!("web{version}"));
    }
    node.done(&["rollback", "shop", "--wait", "--timeout", "60s"]);
    assert_eq!(said_at(port), "web/1");
}

#[test]
fn two_instances_share_a_port_and_so_do_two_versions_that_switch() {
    let node = Node::started();
    let port = free_port();
    let shop = |version: &str| {
        let more = json!({"replica": 2, "update": {"strategy": "switch"}});
        file(&[
            running("sharing_program", "listens", "PORT"),
            application("shop", &[at_port(port, version, more)]),
        ])
    };
    node.apply(&shop("/1"));
    until_said(port, &["web/1", "web.i1/1"]);
    node.apply(&shop("/2"));
    until_said(port, &["web/2", "web.i1/2"]);
    assert!(!node.log().contains("is held by"), "{}", node.log());
}

/// Asks again and again, until each of these has answered and nobody else does: the kernel chooses among them.
fn until_said(port: u16, names: &[&str]) {
    let expected: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let until = Instant::now() + PATIENCE;
    loop {
        // One that ends refuses those who wait at its socket.
        let said: BTreeSet<String> = (0..32).filter_map(|_| ask(port).ok()).collect();
        if said == expected {
            return;
        }
        assert!(Instant::now() < until, "{said:?}");
    }
}

#[test]
fn a_folder_of_the_host_is_shown_only_where_the_policy_names_it() {
    let mut node = Node::new();
    let srv = node.path("srv");
    let mut shop = application(
        "shop",
        &[service(
            "web",
            "writes",
            json!({"volumeMounts": [{"name": "data", "mountPath": "/data"}]}),
        )],
    );
    shop["volumes"] = json!([{"name": "data", "hostPath": {"path": srv}}]);
    let text = file(&[script("writes", "echo hello > data/said; exec sleep 86400"), shop]);
    node.start();
    let name = node.file("shop.yml", &text);
    let told = node.run(&["apply", "-f", &name]);
    let words = format!("`{}` in `policy.hostPaths` of aerolith.yml", srv.display());
    assert!(told.code != 0 && told.err.contains(&words), "{told:?}");
    node.stop();
    let before = std::fs::read_to_string(node.path("aerolith.yml")).unwrap();
    node.file(
        "aerolith.yml",
        &format!("{before}policy: {{hostPaths: [{}]}}\n", srv.display()),
    );
    node.start();
    node.apply(&text);
    node.until("it has written", |_| srv.join("said").exists().then_some(()));
}
