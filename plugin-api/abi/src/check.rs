//! The loader's side: from the header symbol of a library to its root, with a layout check that works both ways.
//!
//! abi_stable's own check wants the library to be at least as new as the host, which would refuse every older plugin;
//! here it is enough that one side's layout is a prefix of the other's.

use crate::waist::Root_Ref;
use abi_stable::abi_stability::abi_checking::check_layout_compatibility;
use abi_stable::library::{LibHeader, ROOT_MODULE_LOADER_NAME_WITH_NUL};

/// What lies behind [`HEADER_SYMBOL`].
pub type Header = abi_stable::library::AbiHeaderRef;

/// The one symbol that a Rust plugin exports, with its terminating NUL.
pub const HEADER_SYMBOL: &[u8] = ROOT_MODULE_LOADER_NAME_WITH_NUL.as_bytes();

/// Why a library cannot be used although its manifest promises the right API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Incompatible {
    /// Built with another abi_stable.
    #[error("its header is not of abi_stable 0.11: {0}")]
    Header(String),
    /// Some type of the waist differs.
    #[error("the layout of the waist differs: {0}")]
    Layout(String),
    /// The library refused to give its root.
    #[error("it gives no root: {0}")]
    Root(String),
}

/// Checks a library's header against this build's waist, and takes its root.
///
/// # Errors
/// [`Incompatible`], in one line: abi_stable's own report is up to 1,400 lines, of which only what was expected and
/// what was found is kept.
pub fn open(header: Header) -> Result<Root_Ref, Incompatible> {
    let header = header
        .upgrade()
        .map_err(|e| Incompatible::Header(essence(&e.to_string())))?;
    check(header)?;
    // SAFETY: the layouts were just compared, and one is a prefix of the other.
    unsafe { header.init_root_module_with_unchecked_layout::<Root_Ref>() }
        .map_err(|e| Incompatible::Root(essence(&e.to_string())))
}

fn check(header: &'static LibHeader) -> Result<(), Incompatible> {
    let theirs = header
        .layout()
        .ok_or_else(|| Incompatible::Layout("the library carries none".into()))?;
    let ours = <Root_Ref as abi_stable::StableAbi>::LAYOUT;
    if check_layout_compatibility(theirs, ours).is_ok() {
        return Ok(());
    }
    check_layout_compatibility(ours, theirs).map_err(|e| Incompatible::Layout(essence(&e.to_string())))
}

/// The first lines that say what differs, as one line.
fn essence(report: &str) -> String {
    let telling = ["Error:", "Expected:", "Found:"];
    let mut lines: Vec<&str> = report.lines().map(str::trim).collect();
    let kept: Vec<&str> = lines
        .iter()
        .copied()
        .filter(|l| telling.iter().any(|t| l.starts_with(t)))
        .take(3)
        .collect();
    lines.retain(|l| !l.is_empty());
    let lines = if kept.is_empty() {
        lines.into_iter().take(3).collect()
    } else {
        kept
    };
    lines.join("; ").chars().take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_report_becomes_one_line_of_what_differs() {
        let report =
            "0 error(s)inside:\n    <other>\n\nError:too many fields\nExpected:\n   8\nFound:\n   9\n".repeat(50);
        let line = essence(&report);
        assert!(line.starts_with("Error:too many fields; Expected:"), "{line}");
        assert!(!line.contains('\n') && line.len() <= 400);
    }

    #[test]
    fn a_report_without_telling_lines_keeps_its_beginning() {
        assert_eq!(essence("one\n\ntwo\n"), "one; two");
    }
}
