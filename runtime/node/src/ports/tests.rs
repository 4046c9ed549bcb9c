use std::net::TcpListener;

use super::*;
use aerolith_plugin_wire::engine::{Port, Program};

fn run(instance: &str) -> RunId {
    RunId {
        instance: instance.parse().unwrap(),
        fingerprint: "ab".repeat(32).parse().unwrap(),
    }
}

fn process(ports: &[u16]) -> Workload {
    let port = |number: &u16| Port {
        inside: *number,
        host: Some(*number),
        ..Port::default()
    };
    Workload {
        program: Some(Program::default()),
        ports: ports.iter().map(port).collect(),
        ..Workload::default()
    }
}

fn node() -> Ports {
    Ports::new(PortRange::default(), [])
}

#[test]
fn instances_are_given_ports_that_nobody_has_and_keep_them() {
    let ports = node();
    let (mut one, mut two) = (process(&[]), process(&[]));
    ports.give(&run("shop.web.1"), &mut one).unwrap();
    ports.give(&run("shop.web.2"), &mut two).unwrap();
    let given = |workload: &Workload| environment::port(&workload.environment).unwrap();
    assert_ne!(given(&one), given(&two));
    let before = given(&one);
    ports.give(&run("shop.web.1"), &mut one).unwrap();
    assert_eq!((given(&one), ports.of(&run("shop.web.1"))), (before, vec![before]));
    ports.release(&run("shop.web.1"));
    assert_eq!(ports.of(&run("shop.web.1")), [0; 0]);
}

#[test]
fn a_container_is_given_one_only_in_the_hosts_network() {
    let ports = node();
    for (host_network, is_given) in [(false, false), (true, true)] {
        let mut workload = Workload {
            image: Some("i".into()),
            host_network,
            ..Workload::default()
        };
        ports.give(&run("shop.web.1"), &mut workload).unwrap();
        assert_eq!(environment::port(&workload.environment).is_some(), is_given);
    }
}

#[test]
fn a_port_of_a_stranger_or_of_another_instance_is_waited_for() {
    let ports = node();
    let stranger = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let number = stranger.local_addr().unwrap().port();
    let refused = ports
        .give(&run("shop.web.1"), &mut process(&[number]))
        .unwrap_err()
        .to_string();
    let told = format!("port {number} (TCP) is held by pid {} (", std::process::id());
    assert!(refused.starts_with(&told), "{refused}");
    drop(stranger);
    ports.give(&run("shop.web.1"), &mut process(&[number])).unwrap();
    let refused = ports
        .give(&run("cafe.bar.1"), &mut process(&[number]))
        .unwrap_err()
        .to_string();
    assert_eq!(refused, format!("port {number} (TCP) is held by shop.web.1"));
    ports.release(&run("shop.web.1"));
    ports.give(&run("cafe.bar.1"), &mut process(&[number])).unwrap();
}

#[test]
fn runs_of_one_service_share_a_port_that_one_of_them_listens_on_and_none_starts_while_a_stranger_does() {
    let ports = node();
    let stranger = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let number = stranger.local_addr().unwrap().port();
    let give = |instance: &str| ports.give(&run(instance), &mut process(&[number]));
    for instance in ["shop.web.1", "shop.web.2", "shop.web.1"] {
        let held = give(instance).unwrap_err().to_string();
        assert!(
            held.contains(&format!("is held by pid {} (", std::process::id())),
            "{held}"
        );
    }
    drop(stranger);
    give("shop.web.1").unwrap();
    let _listening = TcpListener::bind(("127.0.0.1", number)).unwrap();
    give("shop.web.2").unwrap();
    assert!(ports.of(&run("shop.web.2")).contains(&number));
    let engines = Workload {
        program: None,
        image: Some("i".into()),
        ..process(&[number])
    };
    let held = ports
        .give(&run("shop.web.3"), &mut engines.clone())
        .unwrap_err()
        .to_string();
    assert_eq!(held, format!("port {number} (TCP) is held by shop.web.1"));
}

#[test]
fn what_instances_had_while_the_daemon_was_away_is_theirs_and_of_ended_ones_nobodys() {
    let record = |id: &str, port: u16, life| {
        let mut record = crate::record::tests::record(id, life);
        record.workload.program = Some(Program::default());
        environment::set_port(&mut record.workload.environment, port);
        record
    };
    let ended = Life::Ended {
        success: true,
        reason: String::new(),
    };
    let records = [
        record("shop.web.1", 50200, Life::Idle),
        record("shop.web.2", 50201, ended),
    ];
    let ports = Ports::new("50200-50201".parse().unwrap(), &records);
    assert_eq!(ports.of(&records[0].run()), [50200]);
    assert_eq!(ports.of(&records[1].run()), [0; 0]);
}
