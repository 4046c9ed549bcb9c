//! What a place is at one moment, and what a request gets of it.

use aerolith_plugin::wire::fetcher::{Fetch, Head, Validator};

/// Size and recognition of what a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Bytes that are delivered.
    pub size: u64,
    /// Equal as long as the bytes are.
    pub etag: String,
}

impl State {
    /// Goes on behind the bytes already here if they can still be of this state; says so if it is the one already known.
    #[must_use]
    pub fn head(&self, request: &Fetch) -> Head {
        let known = |validator: &Validator| validator.etag.as_ref() == Some(&self.etag);
        let goes_on = request.validator.is_empty() || known(&request.validator);
        let offset = if goes_on && request.offset <= self.size {
            request.offset
        } else {
            0
        };
        Head {
            offset,
            size: Some(self.size),
            validator: Validator {
                etag: Some(self.etag.clone()),
                last_modified: None,
            },
            unchanged: request.offset == 0 && known(&request.unless),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(etag: &str) -> Validator {
        Validator {
            etag: Some(etag.into()),
            last_modified: None,
        }
    }

    fn head(offset: u64, validator: Validator, unless: Validator) -> (u64, bool) {
        let state = State {
            size: 10,
            etag: "\"a\"".into(),
        };
        let head = state.head(&Fetch {
            offset,
            validator,
            unless,
            ..Fetch::default()
        });
        assert_eq!((head.size, head.validator), (Some(10), tag("\"a\"")));
        (head.offset, head.unchanged)
    }

    #[test]
    fn a_fetch_goes_on_up_to_the_end_of_the_same_state_only() {
        let none = Validator::default;
        assert_eq!(head(4, tag("\"a\""), none()), (4, false));
        assert_eq!(head(10, none(), none()), (10, false));
        assert_eq!(head(11, none(), none()), (0, false));
        assert_eq!(head(4, tag("\"b\""), none()), (0, false));
    }

    #[test]
    fn a_known_state_is_unchanged_unless_a_part_is_wanted() {
        assert_eq!(head(0, Validator::default(), tag("\"a\"")), (0, true));
        assert_eq!(head(0, Validator::default(), tag("\"b\"")), (0, false));
        assert_eq!(head(4, tag("\"a\""), tag("\"a\"")), (4, false));
    }
}
