//! Expectations that say what was expected and what was found.

use crate::report::Outcome;
use aerolith_plugin_wire::{Code, Error, Result};
use std::fmt::Debug;

/// Fails with the text unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($why:tt)+) => {
        if !$condition {
            return Err(format!($($why)+));
        }
    };
}
pub(crate) use ensure;

/// The value of a call that must succeed.
pub(crate) fn done<T>(what: &str, result: Result<T>) -> std::result::Result<T, String> {
    result.map_err(|e| format!("{what} answered {}", told(&e)))
}

/// An error with its code.
pub(crate) fn told(error: &Error) -> String {
    format!("{:?}: {}", error.code, error.message)
}

/// The call must fail with this code, and its message must name the subject.
pub(crate) fn refused<T: Debug>(what: &str, result: Result<T>, code: Code, subject: &str) -> Outcome {
    let error = match result {
        Ok(value) => return Err(format!("{what} answered {value:?}: expected {code:?}")),
        Err(error) => error,
    };
    ensure!(
        error.code == code,
        "{what} answered {}: expected {code:?}",
        told(&error)
    );
    ensure!(
        error.message.contains(subject),
        "{what} answered `{error}`, which does not name {subject}"
    );
    Ok(())
}

/// What was found must be what was expected.
pub(crate) fn equal<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Outcome {
    ensure!(found == expected, "{what} is {found:?}: expected {expected:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_must_have_its_code_and_name_its_subject() {
        let error = |code| Err::<(), _>(Error::new(code, "no card sn:1"));
        assert_eq!(refused("stats", error(Code::NotFound), Code::NotFound, "sn:1"), Ok(()));
        assert!(
            refused("stats", error(Code::Io), Code::NotFound, "sn:1")
                .unwrap_err()
                .contains("expected NotFound")
        );
        assert!(
            refused("stats", error(Code::NotFound), Code::NotFound, "sn:2")
                .unwrap_err()
                .contains("name sn:2")
        );
        assert!(
            refused("stats", Ok(()), Code::NotFound, "")
                .unwrap_err()
                .contains("expected NotFound")
        );
    }
}
