//! `aerolith package list`: what lies in the daemon's package store, and who uses it.

use std::time::SystemTime;

use aerolith_api::Package;
use hyper::Method;

use crate::client::Client;
use crate::progress::short;
use crate::screen::Screen;
use crate::size::Size;
use crate::table::{Cell, Table, span, state};

/// Shows everything in the store.
pub(super) async fn list(client: &Client, screen: Screen) -> anyhow::Result<()> {
    let answer = client.json(Method::GET, "/v1/packages").await?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    screen.show(&answer, || {
        let packages: Vec<Package> = serde_json::from_value(answer.clone())?;
        Ok(table(&packages, now))
    })
}

fn table(packages: &[Package], now: u64) -> Table<7> {
    let headings = ["KIND", "NAME", "SIZE", "STATE", "AGE", "USED BY", "REASON"];
    Table::new(headings, packages.iter().map(|package| row(package, now)))
}

fn row(package: &Package, now: u64) -> [Cell; 7] {
    let users = match package.used_by.join(", ") {
        none if none.is_empty() => "-".to_owned(),
        users => users,
    };
    [
        Cell::from(&package.kind),
        Cell::from(short(&package.name)),
        Cell::from(&size(package)),
        state(&package.state),
        Cell::from(&span(now.saturating_sub(package.modified))),
        Cell::from(&users),
        Cell::from(&reason(package)),
    ]
}

fn size(package: &Package) -> String {
    let here = Size(package.bytes);
    package
        .whole
        .map_or_else(|| here.to_string(), |whole| format!("{here} of {}", Size(whole)))
}

fn reason(package: &Package) -> String {
    let said = [&package.source, &package.reason].into_iter().flatten();
    said.cloned().collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_users_and_reasons_stand_in_columns() {
        let of = |kind: &str, state: &str, bytes| Package {
            kind: kind.into(),
            name: "ab".repeat(32),
            bytes,
            state: state.into(),
            modified: 940,
            ..Package::default()
        };
        let packages = [
            Package {
                used_by: vec!["shop/db".into(), "weather/main".into()],
                ..of("blob", "used", 31_200_000)
            },
            Package {
                whole: Some(64_000_000),
                source: Some("http://h/a".into()),
                ..of("part", "unfinished", 1_000_000)
            },
            Package {
                source: Some("http://h/b".into()),
                reason: Some("sha256 mismatch".into()),
                ..of("quarantined", "refused", 7)
            },
        ];
        let expected = "\
KIND         NAME          SIZE                STATE       AGE  USED BY                REASON
blob         abababababab  31.2 MB             used        1m   shop/db, weather/main
part         abababababab  1.00 MB of 64.0 MB  unfinished  1m   -                      http://h/a
quarantined  abababababab  7 B                 refused     1m   -                      http://h/b: sha256 mismatch
";
        assert_eq!(table(&packages, 1_000).render(false), expected);
    }
}
