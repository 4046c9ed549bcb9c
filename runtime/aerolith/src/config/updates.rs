//! The part of `aerolith.yml` about updates.

use aerolith_model::GoDuration;
use serde::Deserialize;

use crate::outcome::Wrong;

/// How a new instance proves itself, where its service does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Updates {
    /// It must be ready so long without interruption.
    pub(crate) window: Option<GoDuration>,
    /// It must have proven itself by then.
    pub(crate) deadline: Option<GoDuration>,
}

impl Updates {
    /// What the node goes by, with the default of what is not said.
    ///
    /// # Errors
    /// A deadline that nothing can meet.
    pub(crate) fn settings(self) -> Result<aerolith_node::Updates, Wrong> {
        let default = aerolith_node::Updates::default();
        let window = self.window.map_or(default.window, |window| window.0);
        let deadline = self.deadline.map_or(default.deadline, |deadline| deadline.0);
        if deadline <= window {
            return Err(Wrong::new(format!(
                "updates.deadline is {} and updates.window {}, so every update would fail: give the deadline more time",
                GoDuration(deadline),
                GoDuration(window)
            )));
        }
        Ok(aerolith_node::Updates { window, deadline })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_the_default_and_a_deadline_that_nothing_can_meet_is_refused() {
        let of = |window, deadline| Updates { window, deadline }.settings();
        assert_eq!(of(None, None).unwrap(), aerolith_node::Updates::default());
        let second = Some(GoDuration::from_secs(1));
        assert_eq!(of(second, None).unwrap().window.as_secs(), 1);
        assert!(of(None, second).unwrap_err().message.contains("updates.window 10s"));
    }
}
