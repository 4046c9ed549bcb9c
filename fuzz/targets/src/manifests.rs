use std::path::{Component, Path};

use aerolith_model::ProgramManifest;

/// A `program.yml`: whatever entry is accepted stays inside the package.
pub(crate) fn program(data: &[u8]) {
    match ProgramManifest::read("program.yml", data) {
        Ok(manifest) => {
            let entry = Path::new(manifest.entry());
            let mut parts = entry.components();
            assert!(
                parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir)),
                "{entry:?}"
            );
        }
        Err(error) => assert!(error.line >= 1 && error.column >= 1, "{error}"),
    }
}

/// Our YAML: each error says where.
pub(crate) fn manifest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(error) = aerolith_model::parse("package.yml", text) {
        assert!(error.line >= 1 && error.column >= 1, "{error}");
    }
}

/// Baetyl's JSON: each error says where.
pub(crate) fn baetyl(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if aerolith_baetyl::is_baetyl(text)
        && let Err(error) = aerolith_baetyl::import("package.json", text)
    {
        assert!(error.to_string().starts_with("package.json"), "{error}");
    }
}
