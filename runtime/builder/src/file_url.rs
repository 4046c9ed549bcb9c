//! Paths as URLs.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The URL of an absolute path (RFC 8089), with every byte but the unreserved ones and `/` escaped (RFC 3986, section 2.1).
#[must_use]
pub fn file_url(path: &Path) -> String {
    let escape = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let escaped: String = path.as_os_str().as_bytes().iter().map(escape).collect();
    format!("file://{escaped}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_a_url_is_escaped() {
        assert_eq!(file_url(Path::new("/a b/ü%?#")), "file:///a%20b/%C3%BC%25%3F%23");
        assert_eq!(file_url(Path::new("/srv/x-1.2_~.zip")), "file:///srv/x-1.2_~.zip");
    }
}
