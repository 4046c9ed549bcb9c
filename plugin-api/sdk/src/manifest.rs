//! Builds the manifest while the plugin is compiled, so that it can lie in a section of the file.

/// Length of the parts when joined.
#[must_use]
pub const fn length(parts: &[&str]) -> usize {
    let (mut sum, mut i) = (0, 0);
    while i < parts.len() {
        sum += parts[i].len();
        i += 1;
    }
    sum
}

/// The parts one behind the other.
#[must_use]
pub const fn join<const N: usize>(parts: &[&str]) -> [u8; N] {
    let (mut out, mut at, mut i) = ([0; N], 0, 0);
    while i < parts.len() {
        let (bytes, mut j) = (parts[i].as_bytes(), 0);
        while j < bytes.len() {
            out[at] = bytes[j];
            at += 1;
            j += 1;
        }
        i += 1;
    }
    out
}

/// Length of [`list`].
#[must_use]
pub const fn list_length(items: &[&str]) -> usize {
    length(items) + 2 * items.len() + items.len().saturating_sub(1) + 2
}

/// The items as a JSON list of strings.
#[must_use]
pub const fn list<const N: usize>(items: &[&str]) -> [u8; N] {
    let (mut out, mut at, mut i) = ([b'['; N], 1, 0);
    while i < items.len() {
        if i > 0 {
            out[at] = b',';
            at += 1;
        }
        out[at] = b'"';
        at += 1;
        let (bytes, mut j) = (plain(items[i]).as_bytes(), 0);
        while j < bytes.len() {
            out[at] = bytes[j];
            at += 1;
            j += 1;
        }
        out[at] = b'"';
        at += 1;
        i += 1;
    }
    out[at] = b']';
    out
}

/// A text that needs no escaping in JSON; any other does not compile.
///
/// # Panics
/// While compiling, when the text holds a quote, a backslash or a control character.
#[must_use]
pub const fn plain(text: &str) -> &str {
    let (bytes, mut i) = (text.as_bytes(), 0);
    while i < bytes.len() {
        assert!(
            bytes[i] >= b' ' && bytes[i] != b'"' && bytes[i] != b'\\',
            "a text of the manifest holds a quote, a backslash or a control character"
        );
        i += 1;
    }
    text
}

/// The text of joined bytes.
///
/// # Panics
/// Never: the bytes come from texts.
#[must_use]
#[allow(clippy::panic, reason = "evaluated while compiling only")]
pub const fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("joined texts are text"),
    }
}
