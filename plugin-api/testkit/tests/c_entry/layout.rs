//! The header says the same as `aerolith_plugin_abi::c`: asked of the C compiler, not of the eye.

use aerolith_plugin::Code;
use aerolith_plugin_abi::c::{ENTRY_SYMBOL, HostV1, PluginV1, Receiver, View};
use std::fmt::Write;
use std::mem::offset_of;
use std::process::Command;

/// C expressions with the values that Rust has for them.
fn facts() -> Vec<(String, usize)> {
    let mut facts = Vec::new();
    macro_rules! table {
        ($c:literal, $rust:ty, [$($member:ident),*]) => {
            facts.push((concat!("sizeof(", $c, ")").to_owned(), size_of::<$rust>()));
            $(facts.push((
                concat!("offsetof(", $c, ", ", stringify!($member), ")").to_owned(),
                offset_of!($rust, $member),
            ));)*
        };
    }
    table!("aerolith_view", View, [ptr, len]);
    table!("aerolith_receiver", Receiver, [take, into]);
    table!(
        "aerolith_host",
        HostV1,
        [size, api_minor, ctx, log, call, send, keep, take]
    );
    table!(
        "aerolith_plugin",
        PluginV1,
        [size, entry_major, manifest, create, call, send, destroy]
    );
    for number in 1.. {
        let code = Code::from_number(number);
        if code as u32 != number {
            break;
        }
        facts.push((c_name(code), number as usize));
    }
    facts.push(("AEROLITH_ACCEPTED".into(), usize::from(aerolith_plugin_abi::ACCEPTED)));
    facts.push(("AEROLITH_FULL".into(), usize::from(aerolith_plugin_abi::FULL)));
    facts.push(("AEROLITH_ENTRY_MAJOR".into(), 1));
    facts
}

/// `NotFound` as `AEROLITH_NOT_FOUND`.
fn c_name(code: Code) -> String {
    let mut name = "AEROLITH".to_owned();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() {
            name.push('_');
        }
        name.extend(letter.to_uppercase());
    }
    name
}

/// A program that prints each expression's value on a line.
fn program(facts: &[(String, usize)]) -> String {
    let mut text = "#include \"aerolith_plugin.h\"\n#include <stdio.h>\nint main(void) {\n".to_owned();
    for (expression, _) in facts {
        writeln!(text, "printf(\"%zu\\n\", (size_t)({expression}));").unwrap();
    }
    text + "printf(\"%s\\n\", AEROLITH_API);\nreturn 0;\n}\n"
}

#[test]
fn the_header_lays_out_every_table_and_numbers_every_code_as_rust_does() {
    let directory = tempfile::tempdir().unwrap();
    let (source, binary) = (directory.path().join("layout.c"), directory.path().join("layout"));
    let facts = facts();
    std::fs::write(&source, program(&facts)).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args([
        "-std=c11",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
        "-I",
        super::HEADER_ROOM,
        "-o",
    ]);
    assert!(compiler.arg(&binary).arg(&source).status().unwrap().success());
    let printed = String::from_utf8(Command::new(&binary).output().unwrap().stdout).unwrap();
    let mut lines = printed.lines();
    for (expression, expected) in &facts {
        assert_eq!(lines.next(), Some(&*expected.to_string()), "{expression}");
    }
    assert_eq!(lines.next(), Some(&*aerolith_plugin_abi::API.to_string()));
    assert_eq!(facts.len(), 4 + 19 + 11 + 3);
}

#[test]
fn the_header_exports_the_symbol_that_the_loader_looks_for() {
    let header = std::fs::read_to_string(format!("{}/aerolith_plugin.h", super::HEADER_ROOM)).unwrap();
    let symbol = std::str::from_utf8(ENTRY_SYMBOL).unwrap().trim_end_matches('\0');
    assert!(header.contains(&format!("extern AEROLITH_EXPORT const aerolith_plugin {symbol};")));
}
