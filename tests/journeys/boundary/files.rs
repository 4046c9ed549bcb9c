//! Fault 82: every bad file is refused by name, in one line, and harms nothing.

use crate::support::build::plugin;
use crate::support::core::House;
use aerolith_host::{HostError, Isolation, Source, State};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Starts the file and expects a refusal that names it; then a good plugin still runs beside it.
async fn refused(house: &House, file: &Path) -> String {
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    let error = house.start(&name, file, Isolation::None, json!({})).await.unwrap_err();
    let line = error.to_string();
    assert!(!line.contains('\n'), "not one line: {line}");
    if !matches!(error, HostError::Plugin { .. }) {
        let digest = fs::read(file)
            .map(|bytes| crate::support::build::sha256(&bytes))
            .unwrap_or_default();
        assert!(
            line.contains(&*file.to_string_lossy()) || line.contains(&digest),
            "names no file: {line}"
        );
    }
    let good = format!("good-beside-{name}");
    house
        .start(&good, &plugin("probe"), Isolation::None, json!({}))
        .await
        .unwrap();
    assert_eq!(house.monitor(&good).fingerprint().await.unwrap().cards.len(), 2);
    line
}

/// Replaces each occurrence of a text in the file by one of the same length.
fn patch(bytes: &mut [u8], from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let mut found = 0;
    for start in 0..bytes.len().saturating_sub(from.len()) {
        if bytes[start..].starts_with(from.as_bytes()) {
            bytes[start..start + from.len()].copy_from_slice(to.as_bytes());
            found += 1;
        }
    }
    assert!(found > 0, "`{from}` is not in the file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_file_is_refused_at_every_length() {
    let house = House::new();
    let whole = fs::read(plugin("probe")).unwrap();
    for tenth in 1..10 {
        let length = whole.len() * tenth / 10;
        let file = house.changed(&plugin("probe"), &format!("cut-{tenth}.so"), |bytes| {
            bytes.truncate(length);
        });
        let line = refused(&house, &file).await;
        assert!(
            line.contains("truncated") && line.contains(&length.to_string()),
            "{line}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_of_another_machine_is_refused() {
    let house = House::new();
    let file = house.changed(&plugin("probe"), "other-machine.so", |bytes| bytes[18] = 183);
    let line = refused(&house, &file).await;
    assert!(line.contains("expected machine x86-64, found aarch64"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_without_a_manifest_is_refused_before_its_code_runs() {
    let house = House::new();
    let (source, mark) = (house.folder.path().join("c.c"), house.folder.path().join("ran"));
    let code = format!(
        "#include <stdio.h>\n__attribute__((constructor)) static void run(void) {{ fclose(fopen(\"{}\", \"w\")); }}",
        mark.display()
    );
    fs::write(&source, code).unwrap();
    let file = house.folder.path().join("foreign.so");
    let built = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&file)
        .arg(&source)
        .status();
    assert!(built.unwrap().success());
    let line = refused(&house, &file).await;
    assert!(
        line.contains("expected a plugin manifest") && line.contains("found none"),
        "{line}"
    );
    assert!(!mark.exists(), "its constructor ran");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_major_of_the_api_is_refused() {
    let house = House::new();
    let file = house.changed(&plugin("probe"), "major.so", |b| {
        patch(b, r#""api":"0.2","api_min":"0.1""#, r#""api":"9.2","api_min":"9.1""#);
    });
    let line = refused(&house, &file).await;
    assert!(line.contains("expected plugin API 0.x, found 9.2"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_needs_a_newer_host_is_refused() {
    let house = House::new();
    let file = house.changed(&plugin("probe"), "newer.so", |b| {
        patch(b, r#""api_min":"0.1""#, r#""api_min":"0.9""#);
    });
    let line = refused(&house, &file).await;
    assert!(line.contains("0.9") && line.contains("update the host"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_layout_is_refused() {
    let house = House::new();
    // The layouts carry the names of their fields: one renamed field is another layout.
    let file = house.changed(&plugin("probe"), "layout.so", |b| {
        patch(b, "code;flags;message;detail", "code;flagz;message;detail");
    });
    let line = refused(&house, &file).await;
    assert!(line.contains("layout of the waist differs"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_symbol_is_refused() {
    let house = House::new();
    let symbol = "_1as_0lib_1header_0root_bmodule_bloader";
    let file = house.changed(&plugin("probe"), "symbol.so", |b| {
        patch(b, symbol, "_1as_0lib_1header_0root_bmodule_bloadeX");
    });
    let line = refused(&house, &file).await;
    assert!(
        line.contains(&format!("expected the exported symbol `{symbol}`")),
        "{line}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_that_aborts_on_panic_is_refused() {
    let house = House::new();
    let file = house.changed(&plugin("probe"), "abort.so", |b| patch(b, "AP\x01RU", "AP\x01RA"));
    let line = refused(&house, &file).await;
    assert!(line.contains(r#"found `panic = "abort"`"#), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_is_refused_when_the_digest_is_known() {
    let house = House::new();
    house.host.install(&plugin("golden")).await.unwrap();
    let store = house.folder.path().join("plugins/store");
    let stored = fs::read_dir(store).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&stored).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&stored).unwrap();
    fs::write(&stored, bytes).unwrap();
    let spec = aerolith_host::Spec::new("golden", Source::Named("golden".into()));
    let line = house.host.start(spec).await.unwrap_err().to_string();
    assert!(line.contains("expected sha256"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_create_is_an_error_with_its_text() {
    let house = House::new();
    let error = house
        .start("p", &plugin("probe"), Isolation::None, json!({"panicIn": "create"}))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("`p`: create:"), "{error}");
    assert_eq!(house.status("p").state, State::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_in_create_ends_at_the_deadline_and_costs_one_thread_only() {
    let house = House::with(|settings| settings.create = Duration::from_secs(2));
    let error = house
        .start("h", &plugin("probe"), Isolation::None, json!({"hangIn": "create"}))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("did not answer within 2s"), "{error}");
    house
        .start("good", &plugin("probe"), Isolation::None, json!({}))
        .await
        .unwrap();
    house.monitor("good").fingerprint().await.unwrap();
    // The thread is lost for ever: leave without waiting for it.
    std::mem::forget(house);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_files_of_one_name_are_refused_naming_both() {
    let house = House::with(|settings| settings.shipped = vec![settings.folder.join("shipped")]);
    let shipped = house.folder.path().join("plugins/shipped");
    fs::create_dir_all(&shipped).unwrap();
    for name in ["a.so", "b.so"] {
        fs::copy(plugin("golden"), shipped.join(name)).unwrap();
    }
    let line = house.host.available().unwrap_err().to_string();
    assert!(
        line.contains("a.so") && line.contains("b.so") && line.contains("`golden`"),
        "{line}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_overwritten_while_it_is_loaded_harms_nobody() {
    let house = House::new();
    let file = house.changed(&plugin("probe"), "live.so", |_| {});
    house.start("live", &file, Isolation::None, json!({})).await.unwrap();
    fs::write(&file, b"overwritten in place").unwrap();
    assert_eq!(house.monitor("live").fingerprint().await.unwrap().cards.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_that_the_dynamic_linker_cannot_complete_is_refused_in_one_line() {
    let house = House::new();
    let source = house.folder.path().join("incomplete.c");
    let monitor = crate::support::build::root().join("plugin-api/c");
    // A good plugin that also wants a function which nobody has.
    let code = format!(
        "#include \"{}/monitor.c\"\nint of_nobody(void);\nint (*wanted)(void) = of_nobody;\n",
        monitor.display()
    );
    fs::write(&source, code).unwrap();
    let file = house.folder.path().join("incomplete.so");
    let built = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&file)
        .arg(&source)
        .status();
    assert!(built.unwrap().success());
    let line = refused(&house, &file).await;
    assert!(
        line.contains("the dynamic linker refused it") && line.contains("of_nobody"),
        "{line}"
    );
}

/// A plugin in C made of the monitor's source with some text put in another's place.
fn c_plugin(house: &House, name: &str, change: impl FnOnce(String) -> String) -> std::path::PathBuf {
    let folder = crate::support::build::root().join("plugin-api/c");
    let source = house.folder.path().join(format!("{name}.c"));
    let code = fs::read_to_string(folder.join("monitor.c")).unwrap();
    fs::write(&source, change(code)).unwrap();
    let file = house.folder.path().join(format!("{name}.so"));
    let mut cc = std::process::Command::new("cc");
    let built = cc
        .args(["-shared", "-fPIC", "-I"])
        .arg(folder)
        .arg("-o")
        .arg(&file)
        .arg(&source)
        .status();
    assert!(built.unwrap().success());
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_in_c_without_one_of_its_functions_is_refused_by_its_name() {
    let house = House::new();
    let file = c_plugin(&house, "null", |code| {
        let changed = code.replace("create, call, send, destroy)", "create, call, NULL, destroy)");
        assert_ne!(changed, code);
        changed
    });
    let line = refused(&house, &file).await;
    assert!(line.contains("found `send` null"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constructor_that_hangs_in_a_child_is_named_and_costs_that_child_only() {
    let house = House::with(|settings| settings.create = Duration::from_secs(2));
    let hang = "\n#include <unistd.h>\n__attribute__((constructor)) static void hang(void) { for (;;) pause(); }\n";
    let file = c_plugin(&house, "hanging", |code| code + hang);
    let error = house
        .start("hanging", &file, Isolation::Process, json!({}))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("`hanging`") && error.to_string().contains("within 2s"),
        "{error}"
    );
    house
        .start("good", &plugin("probe"), Isolation::Process, json!({}))
        .await
        .unwrap();
    house.monitor("good").fingerprint().await.unwrap();
}
