//! Why a store refuses a request, as the body of its answer says (Amazon S3 API reference, "Error responses").

/// Longest code that is taken for one.
const LONGEST: usize = 64;

/// The code of an error, such as `SignatureDoesNotMatch`. Nothing else of the body is shown: it may repeat what was sent.
pub(crate) fn code(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_code = (1..=LONGEST).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_code.then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_an_error_is_found_and_nothing_else_is_taken_for_one() {
        let long = format!("<Code>{}</Code>", "a".repeat(65));
        for (body, expected) in [
            (
                "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code><Message>hush</Message></Error>",
                Some("NoSuchKey"),
            ),
            ("<Error><Code>AccessDenied</Code><Mess", Some("AccessDenied")),
            ("<Error><Code>Access", None),
            ("<Code></Code>", None),
            ("<Code>AKIA hush</Code>", None),
            ("403 Forbidden", None),
            (&long, None),
        ] {
            assert_eq!(code(body.as_bytes()).as_deref(), expected, "{body}");
        }
        assert_eq!(code(b"\xff<Code>SlowDown</Code>").as_deref(), Some("SlowDown"));
    }
}
