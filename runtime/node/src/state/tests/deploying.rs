use super::*;

fn shop(version: &str, more: &str) -> Resource {
    resource(&format!(
        r#"{{"kind":"application","name":"shop","version":"{version}"{more},
        "volumes":[{{"name":"conf","config":{{"name":"conf"}}}},{{"name":"cert","secret":{{"name":"cert"}}}}]}}"#
    ))
}

fn cert(text: &str) -> Resource {
    resource(&format!(
        r#"{{"kind":"secret","name":"cert","stringData":{{"key":"{text}"}}}}"#
    ))
}

fn delete(text: &str) -> Change {
    Change {
        put: Vec::new(),
        delete: vec![id(text)],
    }
}

fn versions(deployment: &Deployment) -> Vec<String> {
    let parts = deployment.parts.iter();
    parts
        .map(|(id, version)| format!("{id}@{}", version.revision))
        .collect()
}

fn outcomes(state: &State) -> Vec<(u64, Outcome)> {
    let history = state.history("shop").iter();
    history.map(|one| (one.revision, one.outcome)).collect()
}

/// `shop` with what it uses, good at revision 1.
fn deployed(dir: &tempfile::TempDir) -> State {
    let mut state = open(dir);
    let all = vec![configuration("conf", "1"), cert("hush"), shop("1", "")];
    state.commit(put(all)).unwrap();
    state.succeeded("shop", 1).unwrap();
    state
}

#[test]
fn a_change_of_anything_that_an_application_uses_is_a_deployment_of_exact_versions() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = deployed(&dir);
    let before = state.parts(&state.history("shop")[0]).unwrap();
    assert_eq!(&before, state.resources());
    state.commit(put(vec![configuration("other", "1")])).unwrap();
    assert_eq!(
        outcomes(&state),
        [(1, Outcome::Good)],
        "what it does not use is of no interest"
    );
    state.commit(put(vec![configuration("conf", "2")])).unwrap();
    state.commit(put(vec![cert("quiet")])).unwrap();
    let expected = [(4, Outcome::Pending), (3, Outcome::Superseded), (1, Outcome::Good)];
    assert_eq!(outcomes(&state), expected);
    assert_eq!(
        versions(&state.history("shop")[0]),
        ["application/shop@1", "configuration/conf@3", "secret/cert@4"]
    );
    for state in [state, open(&dir)] {
        assert_eq!(outcomes(&state), expected);
        assert_eq!(state.parts(state.fallback("shop").unwrap()).unwrap(), before);
        assert_eq!(state.candidate("shop"), state.wanted("shop"));
    }
}

#[test]
fn the_credentials_of_the_objects_that_an_application_uses_are_part_of_its_deployments() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = open(&dir);
    let package = r#"{"kind":"configuration","name":"conf","data":{"a":{"url":"https://h/a","credentials":"login"}}}"#;
    let login = r#"{"kind":"secret","name":"login","stringData":{"token":"hush"}}"#;
    let all = vec![resource(package), resource(login), cert("hush"), shop("1", "")];
    state.commit(put(all)).unwrap();
    assert!(versions(&state.history("shop")[0]).contains(&"secret/login@1".to_owned()));
}

#[test]
fn an_application_that_preserves_updates_waits_until_it_is_changed_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = open(&dir);
    let preserving = r#","preserveUpdates":true"#;
    let all = vec![configuration("conf", "1"), cert("hush"), shop("1", preserving)];
    state.commit(put(all)).unwrap();
    let preserved = |state: &State, change: Change| {
        let after = state.preview(&change);
        let preserved = state.preserved(&change, &after);
        preserved
            .into_iter()
            .map(|(name, revision)| (name.to_string(), revision))
            .collect::<Vec<_>>()
    };
    let as_deployed = vec![("shop".to_owned(), 1)];
    assert_eq!(preserved(&state, put(vec![configuration("conf", "2")])), as_deployed);
    assert_eq!(preserved(&state, put(vec![shop("2", preserving)])), []);
    state.commit(put(vec![configuration("conf", "2")])).unwrap();
    assert_eq!(preserved(&state, Change::default()), as_deployed);
    assert_eq!(
        preserved(&state, put(vec![shop("2", preserving), configuration("conf", "3")])),
        []
    );
    for state in [&state, &open(&dir)] {
        let wanted = state.wanted("shop").unwrap();
        assert_eq!(versions(wanted)[1], "configuration/conf@1");
        let parts = state.parts(wanted).unwrap();
        assert_eq!(*parts[&id("configuration/conf")], configuration("conf", "1"));
    }
    state.commit(put(vec![shop("2", preserving)])).unwrap();
    assert_eq!(versions(state.wanted("shop").unwrap())[1], "configuration/conf@2");
}

#[test]
fn what_came_of_a_deployment_is_known_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = deployed(&dir);
    state.commit(put(vec![shop("2", "")])).unwrap();
    let fails = |reason: &str| open(&dir).attempt_failed("shop", 2, reason.into(), 2).unwrap();
    assert_eq!(fails("it ended with code 1"), Outcome::Pending);
    assert_eq!(open(&dir).wanted("shop").unwrap().revision, 2);
    assert_eq!(fails("it ended with code 2"), Outcome::Failed);
    let mut state = open(&dir);
    assert_eq!(
        (state.candidate("shop"), state.wanted("shop").unwrap().revision),
        (None, 1)
    );
    assert_eq!(state.history("shop")[0].reason, "it ended with code 2");
    assert_eq!(
        state.commit(put(vec![shop("2", "")])).unwrap(),
        2,
        "the same again is no revision"
    );
    assert!(state.retry("shop").unwrap());
    assert_eq!(open(&dir).candidate("shop").unwrap().attempts, 0);
    assert!(!open(&dir).retry("nobody").unwrap());
}

#[test]
fn a_rollback_puts_back_what_was_good_with_what_has_been_deleted_since() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = deployed(&dir);
    let before = state.resources().clone();
    let alone = resource(r#"{"kind":"application","name":"shop","version":"2"}"#);
    state.commit(put(vec![alone])).unwrap();
    for gone in ["configuration/conf", "secret/cert"] {
        state.commit(delete(gone)).unwrap();
    }
    let mut state = open(&dir);
    assert_eq!(state.resources().len(), 1);
    let change = state.rollback("shop", None).unwrap();
    assert_eq!(state.commit(change).unwrap(), 5);
    assert_eq!(state.resources(), &before);
    assert_eq!(outcomes(&state)[0], (5, Outcome::Pending));
    let change = state.rollback("shop", Some(2)).unwrap();
    state.commit(change).unwrap();
    let shop = state.resources()[&id("application/shop")].as_application().unwrap();
    assert_eq!(shop.version, "2");
}

#[test]
fn a_rollback_that_cannot_be_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = deployed(&dir);
    let error = |state: &State, name: &str, to| state.rollback(name, to).unwrap_err().to_string();
    assert_eq!(error(&state, "web", None), "there is no application `web`");
    assert_eq!(
        error(&state, "shop", Some(7)),
        "application `shop` has no deployment of revision 7; there are: 1"
    );
    assert!(error(&state, "shop", None).contains("no earlier deployment that was good"));
    state.commit(put(vec![shop("2", "")])).unwrap();
    fs::remove_file(dir.path().join("state/application/shop@1.json")).unwrap();
    let error = error(&state, "shop", None);
    assert!(
        error.contains("revision 1") && error.ends_with("shop@1.json is missing"),
        "{error}"
    );
}

#[test]
fn versions_stay_as_long_as_a_deployment_names_them_and_go_with_the_application() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = deployed(&dir);
    for version in 2..30 {
        state.commit(put(vec![shop(&version.to_string(), "")])).unwrap();
    }
    assert_eq!(state.history("shop").len(), 10);
    let expected: Vec<String> = [1]
        .into_iter()
        .chain(21..30)
        .map(|n| format!("shop@{n}.json"))
        .collect();
    let mut found = files(&dir, "application");
    found.sort_by_key(String::len);
    assert_eq!(found, expected);
    state.commit(put(vec![configuration("conf", "2")])).unwrap();
    assert_eq!(files(&dir, "configuration").len(), 2);
    state.commit(delete("application/shop")).unwrap();
    assert_eq!((files(&dir, "application"), files(&dir, "history")), (vec![], vec![]));
    assert_eq!(files(&dir, "configuration"), ["conf@30.json"]);
    assert_eq!(state.history("shop"), []);
    state.commit(put(vec![shop("1", "")])).unwrap();
    assert_eq!(outcomes(&state), [(32, Outcome::Pending)], "it begins anew");
}
