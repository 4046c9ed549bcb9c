//! A native program and what it needs beside it, put together from several objects.

use super::texts::{application, file, object, package, service};
use crate::support::node::Node;
use crate::support::package::{platform, zip};
use crate::support::server::Server;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Says the word of its library, then what it finds beside itself: by its own path, and by the name it was started with.
const PROGRAM: &str = r#"
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>
const char *word(void);
static void show(char *own) {
    char path[PATH_MAX], line[64] = "";
    snprintf(path, sizeof path, "%s/data.txt", dirname(own));
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file)) { perror(path); return; }
    fclose(file);
    puts(line);
}
int main(int count, char **arguments) {
    char own[PATH_MAX] = "";
    if (count < 1 || readlink("/proc/self/exe", own, sizeof own - 1) < 0) return 1;
    puts(word());
    show(own);
    show(arguments[0]);
    puts("ready");
    fflush(stdout);
    pause();
    return 0;
}
"#;

fn compile(folder: &Path, arguments: &[&str]) {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let built = Command::new(compiler)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}

/// The program, and the library that it looks for in `../lib` beside itself.
fn build() -> (Vec<u8>, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(
        path("word.c"),
        "const char *word(void) { return \"from the library\"; }\n",
    )
    .unwrap();
    fs::write(path("app.c"), PROGRAM).unwrap();
    compile(
        folder.path(),
        &[
            "-shared",
            "-fPIC",
            "-Wl,-soname,libword.so.1",
            "-o",
            "libword.so.1",
            "word.c",
        ],
    );
    compile(
        folder.path(),
        &["-o", "app", "app.c", "libword.so.1", "-Wl,-rpath,$ORIGIN/../lib"],
    );
    (fs::read(path("app")).unwrap(), fs::read(path("libword.so.1")).unwrap())
}

#[test]
fn a_native_program_finds_its_library_and_its_data_beside_itself_however_the_package_was_cut() {
    let (server, node) = (Server::start(), Node::started());
    let (app, library) = build();
    let files: [(&str, &[u8]); 3] = [
        ("bin/app", &app),
        ("lib/libword.so.1", &library),
        ("bin/data.txt", b"from the data"),
    ];
    let offer = |name: &str, files: &[(&str, &[u8])]| {
        let bytes = zip(files);
        object(&server.offer(name, bytes.clone()), &bytes)
    };
    let key = |first: &str| format!("{first}-{}", platform());
    let manifest = "entry: bin/app\n";
    let whole = json!({ "program.yml": manifest, key("all"): offer("all.zip", &files) });
    let cut = json!({ "program.yml": manifest, key("a"): offer("lib.zip", &files[1..2]),
        key("b"): offer("app.zip", &files[..1]), key("c"): offer("data.zip", &files[2..]) });
    let stored = json!({ "program.yml": manifest, key("all"): offer("all.zip", &files) });
    node.apply(&file(&[
        package("whole", &whole),
        package("cut", &cut),
        package("stored", &stored),
        application(
            "shop",
            &[
                service("whole", "whole", json!({})),
                service("cut", "cut", json!({"workingDir": "/srv"})),
                service("stored", "stored", json!({"packageMode": "shared"})),
            ],
        ),
    ]));
    for name in ["whole", "cut", "stored"] {
        let lines = node.wrote(&format!("shop/{name}"), "ready");
        assert_eq!(
            lines,
            ["from the library", "from the data", "from the data", "ready"],
            "{name}"
        );
    }
}

#[test]
fn a_program_whose_library_is_missing_says_so_in_its_output() {
    let (server, node) = (Server::start(), Node::started());
    let bytes = zip(&[("program.yml", b"entry: bin/app\n"), ("bin/app", &build().0)]);
    let data = json!({ format!("all-{}", platform()): object(&server.offer("app.zip", bytes.clone()), &bytes) });
    node.ask(&file(&[
        package("pp", &data),
        application("shop", &[service("web", "pp", json!({}))]),
    ]));
    let reason = node.service("shop", "web", "restarting");
    assert!(reason.contains("code 127"), "{reason}");
    node.wrote("shop/web", "libword.so.1");
}
