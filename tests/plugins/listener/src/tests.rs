use super::*;
use aerolith_plugin::Code;
use aerolith_plugin::testing::Host;
use std::io::Read;
use std::net::TcpStream;

const QUIET: &str = r#"{"version":"a"}"#;

fn started(host: &Host, config: &str, state: &[u8]) -> Result<Listener> {
    let listener: Listener = host.succeed("listener-1", config, state)?;
    host.block_on(listener.start())?;
    Ok(listener)
}

fn ask(port: u16) -> String {
    let mut line = String::new();
    TcpStream::connect(("127.0.0.1", port))
        .unwrap()
        .read_to_string(&mut line)
        .unwrap();
    line
}

#[test]
fn a_connection_is_answered_and_the_port_is_said() {
    let host = Host::new();
    let listener = started(&host, QUIET, b"").unwrap();
    assert_eq!(ask(listener.state.port), "1 a\n");
    let seen = host.seen();
    assert_eq!(seen.events[0].data["port"], listener.state.port);
    assert_eq!(
        (&*seen.metrics[0].name, seen.metrics[0].value),
        ("listener_port", f64::from(listener.state.port))
    );
}

#[test]
fn a_connection_made_between_two_generations_is_answered_by_the_second() {
    let host = Host::new();
    let first = started(&host, QUIET, b"").unwrap();
    let state = host.block_on(first.drain()).unwrap();
    let mut waiting = TcpStream::connect(("127.0.0.1", first.state.port)).unwrap();
    let second = started(&host, r#"{"version":"b"}"#, &state).unwrap();
    host.block_on(first.stop()).unwrap();
    drop(first);
    let mut line = String::new();
    waiting.read_to_string(&mut line).unwrap();
    assert_eq!(line, "2 b\n");
    assert_eq!(ask(second.state.port), "2 b\n");
    assert!(host.seen().descriptors.is_empty());
}

#[test]
fn a_successor_that_fails_leaves_the_first_able_to_resume() {
    for (place, told) in [("create", "Create"), ("start", "Start")] {
        let host = Host::new();
        let first = started(&host, QUIET, b"").unwrap();
        let state = host.block_on(first.drain()).unwrap();
        let error = started(&host, &format!(r#"{{"failIn":"{place}"}}"#), &state)
            .err()
            .unwrap();
        assert_eq!(error.message, format!("told to fail in {told}"));
        host.block_on(first.resume(&state)).unwrap();
        assert_eq!(ask(first.state.port), "1 a\n");
    }
}

#[test]
fn a_successor_without_the_socket_says_so_and_binds_no_other() {
    let state = State { generation: 3, port: 9 }.write().unwrap();
    let error = started(&Host::new(), QUIET, &state).err().unwrap();
    assert_eq!(error.code, Code::NotFound);
    assert!(
        error.message.contains("generation 3") && error.message.contains("port 9"),
        "{error}"
    );
}

#[test]
fn a_state_of_something_else_is_refused() {
    assert_eq!(started(&Host::new(), QUIET, b"[]").err().unwrap().code, Code::Invalid);
}

#[test]
fn an_address_in_use_is_named() {
    let host = Host::new();
    let first = started(&host, QUIET, b"").unwrap();
    let address = format!("127.0.0.1:{}", first.state.port);
    let error = started(&host, &format!(r#"{{"address":"{address}"}}"#), b"")
        .err()
        .unwrap();
    assert!(error.message.contains(&address), "{error}");
}
