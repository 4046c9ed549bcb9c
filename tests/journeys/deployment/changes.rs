//! What is desired as a whole: only what is given, going back, trying again, and what is guarded, over the command line and
//! over REST.

use super::texts::{STAY, application, file, script, service, staying};
use crate::support::node::Node;
use crate::support::socket;
use serde_json::{Value, json};

fn history(node: &Node) -> Vec<Value> {
    serde_json::from_str(&node.done(&["history", "shop", "-o", "json"])).unwrap()
}

#[test]
fn a_file_is_made_all_that_is_desired_in_one_revision() {
    let node = Node::started();
    let secret = json!({"kind": "secret", "name": "cert", "stringData": {"key": "canary"}});
    node.apply(&file(&[
        script("stay", STAY),
        script("spare", STAY),
        secret,
        application("shop", &[service("web", "stay", json!({}))]),
        application("other", &[service("job", "stay", json!({}))]),
    ]));
    let before = node.process("shop.web.1");
    let name = node.file("shop.yml", &staying("shop"));
    let preview = node.run(&["apply", "-f", &name, "--prune", "--dry-run", "--detailed-exit-code"]);
    assert_eq!(preview.code, 4, "{preview:?}");
    for gone in [
        "other                ",
        "configuration/spare  removed",
        "secret/cert          removed",
    ] {
        assert!(preview.out.contains(gone), "{}", preview.out);
    }
    assert_eq!(node.processes().len(), 2);
    let told = node.done(&["apply", "-f", &name, "--prune", "--wait"]);
    assert!(
        told.starts_with("revision 2\n") && told.contains("removed  secret/cert"),
        "{told}"
    );
    node.until("the other is gone", |status| {
        (status["applications"].as_array()?.len() == 1).then_some(())
    });
    assert_eq!(node.processes(), [before], "what stays is not touched");
    let empty = node.file("empty.yml", "# nothing\n");
    let told = node.run(&["apply", "-f", &empty, "--prune"]);
    assert!(
        told.code == 2 && told.err.contains("everything would be deleted"),
        "{told:?}"
    );
    node.done(&["apply", "-f", &empty, "--prune", "--allow-empty"]);
    node.until("nothing is left", |status| {
        status["applications"].as_array()?.is_empty().then_some(())
    });
    assert_eq!(node.processes(), []);
}

#[test]
fn an_earlier_deployment_is_put_back_in_force_and_its_program_runs_again() {
    let node = Node::started();
    let of = |text: &str| {
        let program = script("talks", &format!("echo {text}; exec sleep 86400"));
        file(&[program, application("shop", &[service("web", "talks", json!({}))])])
    };
    node.apply(&of("one"));
    node.wrote("shop", "one");
    node.apply(&of("two"));
    node.wrote("shop", "two");
    let all = history(&node);
    let revisions: Vec<u64> = all.iter().map(|one| one["revision"].as_u64().unwrap()).collect();
    assert_eq!(
        (revisions, &all[0]["changed"]),
        (vec![2, 1], &json!(["configuration/talks"]))
    );
    let told = node.done(&["rollback", "shop", "--to", "1", "--wait"]);
    assert!(told.starts_with("revision 3\n"), "{told}");
    let lines = node.done(&["logs", "shop"]);
    assert!(lines.lines().filter(|line| *line == "one").count() >= 1, "{lines}");
    assert_eq!(history(&node).len(), 3);
    let kept = socket::get(&node.socket(), "/v1/configurations/talks/versions").unwrap();
    assert_eq!(kept[0], json!({"revision": 3, "current": true}));
    let earlier = socket::get(&node.socket(), "/v1/configurations/talks?revision=2").unwrap();
    assert!(
        earlier["data"]["run.sh"].as_str().unwrap().contains("echo two"),
        "{earlier}"
    );
}

#[test]
fn what_is_used_is_guarded_by_name_over_rest_and_free_once_nobody_uses_it() {
    let node = Node::started();
    node.apply(&staying("shop"));
    let used = socket::get(&node.socket(), "/v1/configurations/stay/usage").unwrap();
    assert_eq!(used, json!([{"application": "shop", "services": ["web"]}]));
    let (status, refused) = socket::ask_for(&node.socket(), "DELETE", "/v1/configurations/stay").unwrap();
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(
        status == 409 && message.contains("is used by application `shop`"),
        "{status} {refused}"
    );
    assert_eq!(
        socket::ask_for(&node.socket(), "DELETE", "/v1/applications/shop")
            .unwrap()
            .0,
        200
    );
    assert_eq!(
        socket::ask_for(&node.socket(), "DELETE", "/v1/configurations/stay")
            .unwrap()
            .0,
        200
    );
    assert_eq!(socket::get(&node.socket(), "/v1/configurations").unwrap(), json!([]));
}

#[test]
fn every_workload_that_keeps_running_has_its_replicas_on_the_one_host() {
    let node = Node::started();
    let workload = |of: &str| {
        let mut it = application(of, &[service("web", "stay", json!({"replica": 2}))]);
        it["workload"] = json!(of);
        it
    };
    let all = ["deployment", "daemonset", "statefulset"];
    let text = file(&[
        script("stay", STAY),
        workload(all[0]),
        workload(all[1]),
        workload(all[2]),
    ]);
    let (status, applied) = socket::send(&node.socket(), "PUT", "/v1/resources", &text).unwrap();
    assert_eq!((status, &applied["warnings"]), (200, &json!([])), "{applied}");
    for of in all {
        node.service(of, "web", "running");
        let shown = socket::get(&node.socket(), &format!("/v1/applications/{of}")).unwrap();
        assert_eq!(shown["workload"].as_str().unwrap_or("deployment"), of);
    }
    let processes = node.processes();
    let names: Vec<&str> = processes.iter().filter_map(|process| process.instance()).collect();
    let expected: Vec<String> = ["daemonset", "deployment", "statefulset"]
        .iter()
        .flat_map(|of| [format!("{of}.web.1"), format!("{of}.web.2")])
        .collect();
    assert_eq!(names, expected);
}

#[test]
fn what_failed_for_good_is_tried_again_when_it_is_asked_for_and_not_by_the_same_content() {
    let node = Node::started();
    let gate = node.path("gate");
    let body = "echo tried; test -e \"$1\" || exit 3; exec sleep 86400";
    let web = service("web", "tries", json!({"args": [gate], "restart": {"policy": "no"}}));
    node.ask(&file(&[script("tries", body), application("shop", &[web])]));
    node.service("shop", "web", "failed");
    let shown = node.done(&["status", "shop"]);
    assert!(
        shown.contains("Failed") && shown.contains("ended with code 3"),
        "{shown}"
    );
    assert!(shown.contains("`aerolith retry shop` tries it again"), "{shown}");
    std::fs::write(&gate, "").unwrap();
    let same = node.run(&["apply", "-f", "applied.yml", "--wait"]);
    assert!(
        same.code == 1
            && same
                .err
                .contains("warning: application `shop` has failed and is left so"),
        "{same:?}"
    );
    assert_eq!(node.instance("shop.web.1").unwrap()["state"], "failed");
    assert_eq!(node.done(&["retry", "shop"]), "shop is tried again\n");
    node.service("shop", "web", "running");
    node.process("shop.web.1");
}
