use aerolith_plugin::wire::fetcher::Validator;
use http_fetch::answer::{Answer, read};
use http_fetch::ask::Want;
use reqwest::StatusCode;
use reqwest::header::{HeaderName, HeaderValue};

/// A server's answer: a line of status, offset and known ETag, then headers. Bytes that are taken begin where they were
/// asked for, or at the start.
pub(crate) fn answer(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let first = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let mut words = first.splitn(3, ' ');
    let status = words
        .next()
        .and_then(|word| word.parse().ok())
        .and_then(|code| StatusCode::from_u16(code).ok());
    let (Some(status), Some(offset)) = (status, words.next().and_then(|word| word.parse::<u64>().ok())) else {
        return;
    };
    let known = Validator {
        etag: words.next().map(str::to_owned),
        ..Validator::default()
    };
    let want = match offset {
        0 => Want::Whole(&known),
        offset => Want::Rest(offset, &known),
    };
    match read(status, &lines.filter_map(header).collect(), want) {
        Ok(Answer::Bytes(head)) => {
            assert!(head.offset == 0 || head.offset == offset, "{head:?}");
            assert!(head.size.is_none_or(|size| size >= head.offset), "{head:?}");
        }
        Ok(Answer::Complete(head)) => assert!(head.size.is_none_or(|size| size == offset) || offset == 0, "{head:?}"),
        Ok(Answer::Anew(_) | Answer::Elsewhere(_)) | Err(_) => {}
    }
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
    Some((name, value))
}
