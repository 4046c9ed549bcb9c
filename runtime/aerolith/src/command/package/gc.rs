//! `aerolith package gc`: gives back what nothing needs.

use aerolith_api::{Cleaned, Removed};
use hyper::Method;

use crate::client::Client;
use crate::progress::short;
use crate::screen::Screen;
use crate::size::Size;
use crate::table::{Cell, Table};

/// Has the daemon clean its package store, and shows what that took.
pub(super) async fn gc(client: &Client, dry_run: bool, screen: Screen) -> anyhow::Result<()> {
    let target = format!("/v1/packages/gc?dryRun={dry_run}");
    let answer = client.json(Method::POST, &target).await?;
    let cleaned: Cleaned = serde_json::from_value(answer.clone())?;
    screen.tell(&answer, || summary(&cleaned))
}

fn summary(cleaned: &Cleaned) -> String {
    let (count, bytes) = (cleaned.removed.len(), Size(cleaned.bytes));
    let mut text = match (count, cleaned.dry_run) {
        (0, _) => return "nothing to remove\n".to_owned() + &held(cleaned),
        (_, true) => format!("nothing removed; {count} to be removed, {bytes}:\n"),
        (_, false) => format!("{count} removed, {bytes}:\n"),
    };
    text.push_str(&Table::new(["KIND", "NAME"], cleaned.removed.iter().map(row)).render(false));
    text + &held(cleaned)
}

fn held(cleaned: &Cleaned) -> String {
    match cleaned.held.len() {
        0 => String::new(),
        count => format!("{count} in use for the moment, left for later\n"),
    }
}

fn row(removed: &Removed) -> [Cell; 2] {
    [Cell::from(&removed.kind), Cell::from(short(&removed.name))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_removed_is_named_with_the_bytes_given_back() {
        let removed = |kind: &str, name: String| Removed {
            kind: kind.into(),
            name,
        };
        let digest = "ab".repeat(32);
        let mut cleaned = Cleaned {
            removed: vec![removed("tree", format!("program-{digest}")), removed("blob", digest)],
            bytes: 1_050,
            ..Cleaned::default()
        };
        let expected = "2 removed, 1.05 kB:\nKIND  NAME\ntree  program-abababababab\nblob  abababababab\n";
        assert_eq!(summary(&cleaned), expected);
        cleaned.dry_run = true;
        cleaned.held = std::mem::take(&mut cleaned.removed);
        assert_eq!(
            summary(&cleaned),
            "nothing to remove\n2 in use for the moment, left for later\n"
        );
    }
}
