//! Who vouches for a package: checked before anything is fetched, and again of what came, of what is stored, and of what
//! was prepared under another policy.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is test code")]

mod world;

use std::fs;
use std::time::Duration;

use aerolith_model::Sha256;
use aerolith_node::{InstanceStatus, Node, PackagePolicy, Phase, Signatures, Summary};
use aerolith_packages::Digest;
use aerolith_plugin_wire::{Code, Error};
use aerolith_trust::{SigningKey, TrustedKeys};
use world::*;

const MANIFEST: &str = "entry: run.sh\n";
const RUN: &str = "#!/bin/sh\necho here\n";
const WEB: &str = "shop.web.1";
const KEYS: [&str; 2] = ["a-linux-test", "b-linux-test"];

/// A world that serves a program of two objects.
struct Shop {
    world: World,
    key: SigningKey,
}

impl Shop {
    /// Under a policy about the one key that is trusted.
    fn under(policy: fn(TrustedKeys) -> Signatures) -> Self {
        let key = SigningKey::generate().unwrap();
        let world = World::new();
        world.serve("test://h/program.yml", MANIFEST);
        world.serve("test://h/run.sh", RUN);
        let mut shop = Self { world, key };
        shop.demand(policy);
        shop
    }

    fn demand(&mut self, policy: fn(TrustedKeys) -> Signatures) {
        let trusted = [("ours".to_owned(), self.key.public())].into_iter().collect();
        self.world.policy = PackagePolicy {
            signatures: policy(trusted),
            ..PackagePolicy::default()
        };
    }

    /// The package, its objects with more fields.
    fn package(&self, more: [&str; 2]) -> String {
        let object = |url: &str, more: &str| format!(r#"{{"url":"test://h/{url}"{more}}}"#);
        let objects = [object("program.yml", more[0]), object("run.sh", more[1])];
        let objects = KEYS
            .iter()
            .zip(&objects)
            .map(|(key, object)| format!(r#""{key}":{object}"#));
        format!(
            r#"{{"kind":"configuration","name":"pp","labels":{{"baetyl-config-type":"baetyl-program"}},"data":{{{}}}}}"#,
            objects.collect::<Vec<_>>().join(",")
        )
    }

    /// The package with a promise of its digests, signed.
    fn promised(&self, key: &SigningKey) -> String {
        self.package(
            [MANIFEST, RUN]
                .map(|text| promise(text) + &signature(key, text))
                .each_ref()
                .map(String::as_str),
        )
    }

    /// The package with a promise of its digests, which nobody signed.
    fn unsigned(&self) -> String {
        self.package([MANIFEST, RUN].map(promise).each_ref().map(String::as_str))
    }

    /// The daemon dies, and another one is started under another policy.
    async fn reopen(&mut self, node: Node, policy: fn(TrustedKeys) -> Signatures) -> Node {
        self.world.crash(node).await;
        self.demand(policy);
        self.world.open().await
    }

    fn runs(&self) -> usize {
        self.world.engine().runs_of(WEB).len()
    }

    async fn apply(&self, node: &Node, package: &str) {
        apply(node, &[package, &application("shop", &service("web", "pp", ""))]).await;
    }
}

fn sha256(text: &str) -> Sha256 {
    Digest::of(text.as_bytes()).bytes().into()
}

fn promise(text: &str) -> String {
    format!(r#","sha256":"{}""#, sha256(text))
}

fn signature(key: &SigningKey, text: &str) -> String {
    format!(r#","signature":"{}""#, key.sign(&sha256(text)))
}

/// Waits until it is refused for a reason with these words.
async fn refused(node: &Node, words: &[&str]) {
    until(&format!("it is refused: {words:?}"), || {
        let web = service_of(node, "shop", "web")?;
        (web.state == Summary::Failed && words.iter().all(|word| web.reason.contains(word))).then_some(())
    })
    .await;
}

/// Waits until the instance says with these words why it is not started, and sees that it stays so.
async fn barred(shop: &Shop, node: &Node, words: &[&str]) {
    let runs = shop.runs();
    let is_told = |web: &InstanceStatus| words.iter().all(|word| web.reason.contains(word));
    for pause in [0, 600] {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        let barred = until("it waits to be admitted", || instance_of(node, WEB).filter(is_told)).await;
        assert_eq!(barred.state, Phase::Waiting);
        assert_eq!(shop.runs(), runs, "it is not started");
    }
}

/// Waits until the service runs and nothing is said against it any more.
async fn runs_well(node: &Node) {
    until("nothing is said against it", || {
        let web = service_of(node, "shop", "web")?;
        (web.state == Summary::Running && web.reason.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_unsigned_object_is_refused_and_not_even_its_signed_neighbour_is_fetched() {
    let shop = Shop::under(Signatures::Required);
    let node = shop.world.open().await;
    let signed = promise(MANIFEST) + &signature(&shop.key, MANIFEST);
    shop.apply(&node, &shop.package([&signed, &promise(RUN)])).await;
    let words = [
        "`b-linux-test`",
        "`pp`",
        "`packages.signatures: required`",
        "aerolith package sign",
    ];
    refused(&node, &words).await;
    assert!(shop.world.fetched().is_empty());
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_trusted_key_signed_runs_whatever_is_promised_of_its_digest() {
    for promised in [true, false] {
        let shop = Shop::under(Signatures::Required);
        let node = shop.world.open().await;
        let more = [MANIFEST, RUN].map(|text| {
            let promise = if promised { promise(text) } else { String::new() };
            promise + &signature(&shop.key, text)
        });
        shop.apply(&node, &shop.package([&more[0], &more[1]])).await;
        running(&node, "shop.web.1").await;
        assert!(service_of(&node, "shop", "web").unwrap().reason.is_empty());
        node.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_strangers_signature_of_a_promised_digest_is_refused_without_asking_the_network() {
    for policy in [Signatures::Optional, Signatures::Required] {
        let shop = Shop::under(policy);
        let node = shop.world.open().await;
        shop.apply(&node, &shop.promised(&SigningKey::generate().unwrap()))
            .await;
        refused(
            &node,
            &["`a-linux-test`", "no trusted key", "`ours`", sha256(MANIFEST).as_str()],
        )
        .await;
        assert!(shop.world.fetched().is_empty());
        node.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_strangers_signature_of_what_has_no_digest_is_refused_before_unpacking_and_fetched_once() {
    let shop = Shop::under(Signatures::Optional);
    let node = shop.world.open().await;
    let stranger = SigningKey::generate().unwrap();
    let more = [MANIFEST, RUN].map(|text| signature(&stranger, text));
    shop.apply(&node, &shop.package([&more[0], &more[1]])).await;
    refused(&node, &["`a-linux-test`", "no trusted key", sha256(MANIFEST).as_str()]).await;
    // Tries after pauses of seconds, in paused time.
    tokio::time::sleep(Duration::from_secs(600)).await;
    refused(&node, &["no trusted key"]).await;
    assert_eq!(
        shop.world.fetched(),
        ["test://h/program.yml"],
        "stored, and asked for no more"
    );
    assert_eq!(fs::read_dir(shop.world.path("data/packages/trees")).unwrap().count(), 0);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn text_of_a_program_is_refused_where_signatures_are_required_and_text_that_is_mounted_is_not() {
    let shop = Shop::under(Signatures::Required);
    let node = shop.world.open().await;
    shop.apply(&node, &package("pp", "text")).await;
    refused(&node, &["`program.yml` of `pp`", "plain text", "signed"]).await;
    let conf = r#"{"kind":"configuration","name":"conf","data":{"notes.txt":"hi"}}"#;
    let web = service("web", "pp", r#","volumeMounts":[{"name":"conf","mountPath":"/conf"}]"#);
    let shop_with_conf = format!(
        r#"{{"kind":"application","name":"shop","services":[{web}],"volumes":[{{"name":"conf","config":{{"name":"conf"}}}}]}}"#
    );
    apply(&node, &[&shop.promised(&shop.key), conf, &shop_with_conf]).await;
    running(&node, "shop.web.1").await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_update_leaves_the_old_version_running() {
    let shop = Shop::under(Signatures::Required);
    let node = shop.world.open().await;
    shop.apply(&node, &shop.promised(&shop.key)).await;
    let before = running(&node, "shop.web.1").await;
    let changed = format!("{RUN}# changed\n");
    shop.world.serve("test://h/run.sh", &changed);
    let kept = promise(MANIFEST) + &signature(&shop.key, MANIFEST);
    let stranger = promise(&changed) + &signature(&SigningKey::generate().unwrap(), &changed);
    shop.apply(&node, &shop.package([&kept, &stranger])).await;
    refused(&node, &["`b-linux-test`", "no trusted key"]).await;
    let now = instance_of(&node, "shop.web.1").unwrap();
    assert_eq!((now.pid, now.fingerprint), (before.pid, before.fingerprint));
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_signature_that_is_put_right_is_looked_at_at_once() {
    let shop = Shop::under(Signatures::Required);
    let node = shop.world.open().await;
    shop.apply(&node, &shop.promised(&SigningKey::generate().unwrap()))
        .await;
    refused(&node, &["no trusted key"]).await;
    // The pauses between tries have become long.
    tokio::time::sleep(Duration::from_secs(1200)).await;
    let put_right = tokio::time::Instant::now();
    shop.apply(&node, &shop.promised(&shop.key)).await;
    running(&node, "shop.web.1").await;
    assert!(
        put_right.elapsed() < Duration::from_secs(1),
        "{:?}",
        put_right.elapsed()
    );
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_signature_that_nobody_checks_is_warned_of_and_the_package_runs() {
    let shop = Shop::under(|_| Signatures::Unchecked);
    let node = shop.world.open().await;
    shop.apply(&node, &shop.promised(&SigningKey::generate().unwrap()))
        .await;
    running(&node, "shop.web.1").await;
    let warnings = service_of(&node, "shop", "web").unwrap().warnings;
    assert_eq!(warnings.len(), KEYS.len(), "{warnings:?}");
    for (warning, key) in warnings.iter().zip(KEYS) {
        assert!(
            warning.contains(key) && warning.contains("`packages.trust`"),
            "{warning}"
        );
    }
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_and_what_is_published_get_around_no_policy() {
    let mut shop = Shop::under(|_| Signatures::Unchecked);
    let node = shop.world.open().await;
    let unsigned = shop.package([&promise(MANIFEST), &promise(RUN)]);
    shop.apply(&node, &unsigned).await;
    running(&node, "shop.web.1").await;
    shop.world.crash(node).await;
    shop.demand(Signatures::Required);
    let node = shop.world.open().await;
    // The same tree for another service, and the same bytes in another package: nothing of either is fetched.
    let fetched = shop.world.fetched().len();
    apply(&node, &[&application("other", &service("web", "pp", ""))]).await;
    let reason = until("it is refused", || {
        let web = service_of(&node, "other", "web")?;
        (web.state == Summary::Failed).then_some(web.reason)
    })
    .await;
    assert!(reason.contains("it has no signature"), "{reason}");
    let stranger = shop.promised(&SigningKey::generate().unwrap());
    apply(&node, &[&stranger]).await;
    refused(&node, &["no trusted key"]).await;
    assert_eq!(shop.world.fetched().len(), fetched);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_prepared_under_a_laxer_policy_keeps_running_and_is_not_started_again() {
    let mut shop = Shop::under(|_| Signatures::Unchecked);
    let node = shop.world.open().await;
    shop.apply(&node, &shop.package([&promise(MANIFEST), &promise(RUN)]))
        .await;
    let before = running(&node, "shop.web.1").await;
    shop.world.crash(node).await;
    shop.demand(Signatures::Required);
    let node = shop.world.open().await;
    refused(&node, &["it has no signature"]).await;
    assert_eq!(running(&node, "shop.web.1").await.pid, before.pid, "what runs goes on");
    let two = service("web", "pp", r#","replica":2"#);
    apply(&node, &[&application("shop", &two)]).await;
    until("both are looked at", || {
        let web = service_of(&node, "shop", "web")?;
        (web.replicas == 2 && web.state == Summary::Failed).then_some(())
    })
    .await;
    assert!(
        instance_of(&node, "shop.web.2").is_none(),
        "a second one is not started"
    );
    // Signed now, of what was prepared long ago: the first is not touched, and the second starts.
    let fetched = shop.world.fetched().len();
    apply(&node, &[&shop.promised(&shop.key)]).await;
    running(&node, "shop.web.2").await;
    assert_eq!(instance_of(&node, "shop.web.1").unwrap().pid, before.pid);
    assert_eq!(shop.world.fetched().len(), fetched);
    runs_well(&node).await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_ends_under_a_stricter_policy_is_not_started_again_before_somebody_vouches_for_it() {
    let mut shop = Shop::under(|_| Signatures::Unchecked);
    let node = shop.world.open().await;
    shop.apply(&node, &shop.unsigned()).await;
    running(&node, WEB).await;
    let node = shop.reopen(node, Signatures::Required).await;
    running(&node, WEB).await;
    shop.world.engine().end(WEB, code(1));
    barred(&shop, &node, &["`a-linux-test`", "`pp`", "it has no signature"]).await;
    shop.apply(&node, &shop.promised(&SigningKey::generate().unwrap()))
        .await;
    barred(&shop, &node, &["no trusted key"]).await;
    shop.apply(&node, &shop.promised(&shop.key)).await;
    running(&node, WEB).await;
    assert_eq!(shop.runs(), 2);
    runs_well(&node).await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_died_with_the_daemon_is_not_started_by_a_stricter_one() {
    type Death = fn(&Scripted);
    let deaths: [Death; 2] = [|engine| engine.end(WEB, code(1)), |engine| engine.forget(WEB)];
    for death in deaths {
        let mut shop = Shop::under(|_| Signatures::Unchecked);
        let node = shop.world.open().await;
        shop.apply(&node, &shop.promised(&shop.key)).await;
        running(&node, WEB).await;
        death(shop.world.engine());
        shop.world.crash(node).await;
        let trusted = std::mem::replace(&mut shop.key, SigningKey::generate().unwrap());
        shop.demand(Signatures::Required);
        let node = shop.world.open().await;
        barred(&shop, &node, &["no trusted key"]).await;
        // It waits over restarts of the daemon too, until the key is trusted.
        let node = shop.world.crash_and_open(node).await;
        barred(&shop, &node, &["no trusted key"]).await;
        shop.key = trusted;
        let node = shop.reopen(node, Signatures::Required).await;
        running(&node, WEB).await;
        assert_eq!(shop.runs(), 2);
        node.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_the_daemon_did_not_live_to_see_is_not_made_up_for_by_a_stricter_one() {
    let mut shop = Shop::under(|_| Signatures::Unchecked);
    let node = shop.world.open().await;
    shop.world
        .engine()
        .refuse("started", Error::new(Code::Timeout, "no answer"));
    shop.world
        .engine()
        .refuse("recover", Error::new(Code::Unavailable, "not yet"));
    shop.apply(&node, &shop.unsigned()).await;
    until("it is being looked for", || {
        instance_of(&node, WEB).filter(|web| web.state == Phase::Recovering)
    })
    .await;
    shop.world.engine().forget(WEB);
    shop.world.engine().obey();
    let node = shop.reopen(node, Signatures::Required).await;
    barred(&shop, &node, &["it has no signature"]).await;
    assert_eq!(shop.runs(), 1);
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_version_before_a_refused_update_is_started_again_as_long_as_somebody_vouches_for_it() {
    for is_signed in [true, false] {
        let mut shop = Shop::under(|_| Signatures::Unchecked);
        let node = shop.world.open().await;
        shop.apply(&node, &shop.unsigned()).await;
        let before = running(&node, WEB).await;
        if is_signed {
            // It is the same version, and is not prepared anew.
            let revision = node.apply(resources(&[&shop.promised(&shop.key)]), false).await;
            let revision = revision.unwrap().revision;
            until("it is read", || (node.status().revision == revision).then_some(())).await;
            until("it is written down", || {
                let folder = shop.world.path("data/apps/shop/web").join(&before.fingerprint);
                let kept = fs::read_to_string(folder.join("prepared.json")).unwrap();
                kept.contains(&shop.key.sign(&sha256(RUN)).to_string()).then_some(())
            })
            .await;
        }
        until("it is good", || {
            application_of(&node, "shop").filter(|shop| shop.settled)
        })
        .await;
        let node = shop.reopen(node, Signatures::Required).await;
        let changed = format!("{RUN}# changed\n");
        shop.world.serve("test://h/run.sh", &changed);
        shop.apply(&node, &shop.package([&promise(MANIFEST), &promise(&changed)]))
            .await;
        until("the update is refused", || {
            let web = service_of(&node, "shop", "web")?;
            let is_update = web.fingerprint.as_ref() != Some(&before.fingerprint);
            (is_update && web.state == Summary::Failed).then_some(())
        })
        .await;
        assert_eq!(running(&node, WEB).await.pid, before.pid);
        shop.world.engine().end(WEB, code(1));
        if is_signed {
            until("it is started again", || (shop.runs() == 2).then_some(())).await;
        } else {
            barred(&shop, &node, &["it has no signature"]).await;
        }
        assert_eq!(instance_of(&node, WEB).unwrap().fingerprint, before.fingerprint);
        node.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_asks_for_digests_bars_what_was_taken_without() {
    let mut shop = Shop::under(|_| Signatures::Unchecked);
    let node = shop.world.open().await;
    shop.apply(&node, &shop.package(["", ""])).await;
    running(&node, WEB).await;
    shop.world.crash(node).await;
    shop.world.policy.require_digest = true;
    let node = shop.world.open().await;
    running(&node, WEB).await;
    shop.world.engine().end(WEB, code(1));
    barred(&shop, &node, &["`requireDigest`"]).await;
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_version_that_the_policy_refuses_is_removed_like_any_other_that_is_out_of_date() {
    let mut shop = Shop::under(|_| Signatures::Unchecked);
    let node = shop.world.open().await;
    shop.apply(&node, &shop.unsigned()).await;
    let refused = running(&node, WEB).await.fingerprint;
    let node = shop.reopen(node, Signatures::Required).await;
    for version in [2, 3] {
        let changed = format!("{RUN}# {version}\n");
        shop.world.serve("test://h/run.sh", &changed);
        let signed = [MANIFEST, &changed].map(|text| promise(text) + &signature(&shop.key, text));
        shop.apply(&node, &shop.package([&signed[0], &signed[1]])).await;
        until("the update runs", || (shop.runs() == version).then_some(())).await;
    }
    let folder = shop.world.path("data/apps/shop/web").join(refused);
    until("the refused one is gone", || (!folder.exists()).then_some(())).await;
    node.shutdown().await;
}
