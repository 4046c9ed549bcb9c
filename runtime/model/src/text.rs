//! Text with a rule: names, keys, digests, addresses. A value of such a type has passed its rule.

/// Text that breaks the rule of its type; the message says what was found and what the rule is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a valid {what}: {rule}")]
pub struct InvalidText {
    /// What the text was meant to be.
    pub what: &'static str,
    /// The text as found; of an address without what may be secret in it.
    pub found: String,
    /// The rule in words.
    pub rule: &'static str,
}

macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $pattern:literal, $normalise:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        #[cfg(feature = "schema")]
        crate::schema::text!($name, $rule, $pattern);

        impl TryFrom<String> for $name {
            type Error = InvalidText;
            fn try_from(found: String) -> Result<Self, InvalidText> {
                let normalise: fn(&str) -> Option<String> = $normalise;
                match normalise(&found) {
                    Some(text) => Ok(Self(text)),
                    None => Err(InvalidText { what: $what, found: shown($what, found), rule: $rule }),
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidText;
            fn from_str(text: &str) -> Result<Self, InvalidText> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

checked_text!(
    /// Name of a configuration or a secret (Baetyl v2: `^[a-z0-9][-a-z0-9.]{0,61}[a-z0-9]$`; `baetyl` is reserved).
    Name,
    "resource name",
    "2 to 63 of a-z, 0-9, `-`, `.`, a letter or digit at both ends, and not holding `baetyl`, which is reserved",
    r"^(?!.*baetyl)[a-z0-9][-a-z0-9.]{0,61}[a-z0-9]$",
    |t| accept(t, is_name(t) && !t.contains("baetyl"))
);
checked_text!(
    /// Name of an application: as [`Name`], at most 55 characters (Baetyl v2).
    AppName,
    "application name",
    "2 to 55 of a-z, 0-9, `-`, `.`, a letter or digit at both ends, and not holding `baetyl`, which is reserved",
    r"^(?!.*baetyl)[a-z0-9][-a-z0-9.]{0,53}[a-z0-9]$",
    |t| accept(t, is_name(t) && !t.contains("baetyl") && t.len() <= 55)
);
checked_text!(
    /// Name of a service: as a resource name without dots (Baetyl v2), so that `app.service.index` reads one way only.
    ServiceName,
    "service name",
    "2 to 63 of a-z, 0-9, `-`, a letter or digit at both ends, no dots",
    r"^[a-z0-9][-a-z0-9]{0,61}[a-z0-9]$",
    |t| accept(t, is_name(t) && !t.contains('.'))
);
checked_text!(
    /// Name of a volume inside an application.
    VolumeName,
    "volume name",
    "2 to 63 of a-z, 0-9, `-`, `.`, a letter or digit at both ends",
    r"^[a-z0-9][-a-z0-9.]{0,61}[a-z0-9]$",
    |t| accept(t, is_name(t))
);
checked_text!(
    /// Key of an entry of a configuration or secret, which becomes a file name (Baetyl v2: `^[-._a-zA-Z0-9]+$`);
    /// `.` and `..` are refused because they name folders, and `_object_` because it marks stored objects.
    Key,
    "key",
    "one or more of a-z, A-Z, 0-9, `-`, `.`, `_`; not `.` or `..`; not beginning with `_object_`",
    r"^(?!_object_)(?!\.{1,2}$)[-._a-zA-Z0-9]+$",
    |t| accept(t, is_key(t))
);
checked_text!(
    /// Name of an environment variable: not empty, no `=`, no control character.
    EnvName,
    "environment variable name",
    "at least one character, no `=`, no blank or control character",
    r"^[^=\s\x00-\x1f\x7f]+$",
    |t| accept(t, !t.is_empty() && !t.contains('=') && !has_blank(t))
);
checked_text!(
    /// Host name inside an instance (RFC 1123), no longer than Linux takes one.
    Hostname,
    "host name",
    "1 to 64 of a-z, A-Z, 0-9, `-`, `.`, a letter or digit at both ends of each part between dots",
    r"^(?=.{1,64}$)[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*$",
    |t| accept(t, is_hostname(t))
);
checked_text!(
    /// What may be done with a device: read, write, and make nodes of it.
    DevicePolicy,
    "device policy",
    "some of the letters r, w and m, each once",
    r"^(?!.*(.).*\1)[rwm]{1,3}$",
    |t| accept(t, is_policy(t))
);
checked_text!(
    /// Processors of the host as the kernel lists them: `0-2,4`.
    CpuList,
    "list of processors",
    "numbers from 0 to 1023 and ranges of them, as in 0-2,4",
    r"^[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*$",
    |t| accept(t, is_cpu_list(t))
);
checked_text!(
    /// Where a volume appears inside an instance; relative and absolute paths both start at the instance's root.
    MountPath,
    "mount path",
    "not empty, no `..` component, no control character",
    r"^(?!(.*[/\\])?\.\.([/\\]|$))[^\x00-\x1f\x7f]+$",
    |t| accept(t, !t.is_empty() && !t.split(['/', '\\']).any(|part| part == "..") && !t.chars().any(char::is_control))
);
checked_text!(
    /// A place of the host.
    AbsolutePath,
    "absolute path",
    "begins with `/`, no `..` component, no control character",
    r"^/(?!(.*/)?\.\.(/|$))[^\x00-\x1f\x7f]*$",
    |t| accept(t, t.starts_with('/') && !t.split('/').any(|part| part == "..") && !t.chars().any(char::is_control))
);
checked_text!(
    /// A power of root (capabilities(7)).
    CapabilityName,
    "capability",
    "A-Z and `_`, as in capabilities(7) with `CAP_` in front or not, or `ALL`",
    r"^[A-Z_]+$",
    |t| accept(t, !t.is_empty() && t.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
);
checked_text!(
    /// A system call (syscalls(2)).
    SystemCallName,
    "system call",
    "a-z, 0-9 and `_`, as in syscalls(2)",
    r"^[a-z0-9_]+$",
    |t| accept(t, !t.is_empty() && t.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'))
);
checked_text!(
    /// Address of an object, `scheme:rest`; which schemes exist is the business of the fetchers.
    Url,
    "URL",
    "a scheme, a colon and the rest, without blanks, such as `https://host/file.zip` or `file:///srv/file.zip`",
    r"^[a-zA-Z][-a-zA-Z0-9+.]*:[^\s\x00-\x1f\x7f]+$",
    |t| accept(t, is_url(t))
);
checked_text!(
    /// SHA-256 digest as 64 hexadecimal digits, kept in lower case.
    Sha256,
    "sha256",
    "64 hexadecimal digits",
    r"^[0-9a-fA-F]{64}$",
    |t| hex(t, 64)
);
checked_text!(
    /// MD5 digest as 32 hexadecimal digits, kept in lower case.
    Md5,
    "md5",
    "32 hexadecimal digits",
    r"^[0-9a-fA-F]{32}$",
    |t| hex(t, 32)
);

/// What stands for a part that may hold a secret.
pub const CUT: &str = "…";

impl Url {
    /// What stands before the first colon, as it is written.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    /// The address as it may be shown, printed and logged: user, password, query and fragment, which may hold secrets, are
    /// cut, and a mark stands in the place of what was there.
    #[must_use]
    pub fn shown(&self) -> String {
        without_secrets(&self.0)
    }
}

/// What an error shows of a text that was refused.
fn shown(what: &str, found: String) -> String {
    match what {
        "URL" => without_secrets(&found),
        _ => found,
    }
}

fn without_secrets(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (address, rest) = url.split_at(end);
    // Clients disagree on how many slashes come before a user, and on which way they lean.
    let begin = address.find(':').map_or(0, |colon| colon + 1);
    let begin = begin
        + address[begin..]
            .bytes()
            .take_while(|byte| b"/\\".contains(byte))
            .count();
    let (scheme, place) = address.split_at(begin);
    let (place, path) = place.split_at(place.find(['/', '\\']).unwrap_or(place.len()));
    let (user, host) = place.split_at(place.rfind('@').unwrap_or(0));
    let user = if user.is_empty() { "" } else { CUT };
    let rest = rest.get(..1).map_or_else(String::new, |mark| format!("{mark}{CUT}"));
    format!("{scheme}{user}{host}{path}{rest}")
}

impl From<[u8; 32]> for Sha256 {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

fn accept(text: &str, valid: bool) -> Option<String> {
    valid.then(|| text.to_owned())
}

fn is_name(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    (2..=63).contains(&bytes.len())
        && alphanumeric(*first)
        && alphanumeric(*last)
        && bytes.iter().all(|b| alphanumeric(*b) || matches!(b, b'-' | b'.'))
}

fn is_hostname(text: &str) -> bool {
    let part = |part: &str| {
        let edge = |c: char| c.is_ascii_alphanumeric();
        part.starts_with(edge) && part.ends_with(edge) && part.chars().all(|c| edge(c) || c == '-')
    };
    text.len() <= 64 && text.split('.').all(part)
}

fn is_cpu_list(text: &str) -> bool {
    let number = |text: &str| {
        let is_plain = text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|cpu| is_plain && *cpu < 1024)
    };
    text.split(',').all(|part| match part.split_once('-') {
        Some((first, last)) => number(first).is_some_and(|first| number(last).is_some_and(|last| first <= last)),
        None => number(part).is_some(),
    })
}

fn is_policy(text: &str) -> bool {
    let letters: std::collections::BTreeSet<char> = text.chars().collect();
    !letters.is_empty() && letters.len() == text.len() && letters.iter().all(|letter| "rwm".contains(*letter))
}

fn is_key(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    !matches!(text, "" | "." | "..") && !text.starts_with("_object_") && text.bytes().all(allowed)
}

fn is_url(text: &str) -> bool {
    let scheme_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    text.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(scheme_byte) && !rest.is_empty()
    }) && !has_blank(text)
}

fn has_blank(text: &str) -> bool {
    text.chars().any(|c| c.is_whitespace() || c.is_control())
}

fn hex(text: &str, digits: usize) -> Option<String> {
    (text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid<T: std::str::FromStr>(text: &str) -> bool {
        text.parse::<T>().is_ok()
    }

    #[test]
    fn names_follow_the_rule_at_its_edges() {
        for good in ["a1", "weather", "a.b-c", &"a".repeat(63)] {
            assert!(valid::<Name>(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "-ab",
            "ab-",
            ".ab",
            "A1",
            "a_b",
            "äb",
            &"a".repeat(64),
            "my-baetyl-app",
        ] {
            assert!(!valid::<Name>(bad), "{bad}");
        }
    }

    #[test]
    fn an_application_name_ends_at_55_and_a_service_name_has_no_dot() {
        assert!(valid::<AppName>(&"a".repeat(55)) && !valid::<AppName>(&"a".repeat(56)));
        assert!(valid::<ServiceName>("agent-1") && !valid::<ServiceName>("agent.1"));
    }

    #[test]
    fn a_key_is_a_plain_file_name() {
        for good in ["conf.yml", "_x", "A-1", ".hidden", "..."] {
            assert!(valid::<Key>(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "_object_x", "ü"] {
            assert!(!valid::<Key>(bad), "{bad}");
        }
    }

    #[test]
    fn a_mount_path_never_climbs() {
        assert!(valid::<MountPath>("/etc/app") && valid::<MountPath>("var/a..b"));
        for bad in ["", "..", "/a/../b", "a\\..\\b", "a\0"] {
            assert!(!valid::<MountPath>(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_place_of_the_host_is_absolute_and_never_climbs() {
        assert!(valid::<AbsolutePath>("/") && valid::<AbsolutePath>("/etc/a..b"));
        for bad in ["", "etc", "/..", "/a/../b", "/a\n"] {
            assert!(!valid::<AbsolutePath>(bad), "{bad:?}");
        }
    }

    #[test]
    fn capabilities_and_system_calls_are_written_as_the_manual_does() {
        assert!(valid::<CapabilityName>("CAP_NET_RAW") && !valid::<CapabilityName>("net_raw"));
        assert!(valid::<SystemCallName>("io_uring_setup") && !valid::<SystemCallName>("Mount"));
    }

    #[test]
    fn a_host_name_follows_rfc_1123() {
        for good in ["a", "Web-1", "roof.example.net", "1"] {
            assert!(valid::<Hostname>(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a..b", ".a", "a_b", "ä", &"a".repeat(65)] {
            assert!(!valid::<Hostname>(bad), "{bad}");
        }
    }

    #[test]
    fn a_device_policy_holds_each_letter_once() {
        assert!(valid::<DevicePolicy>("r") && valid::<DevicePolicy>("mrw"));
        for bad in ["", "x", "rr", "rwx", "rwmr", "R"] {
            assert!(!valid::<DevicePolicy>(bad), "{bad}");
        }
    }

    #[test]
    fn processors_are_numbers_and_ranges() {
        assert!(valid::<CpuList>("0") && valid::<CpuList>("0-2,4,1023"));
        for bad in ["", "a", "2-1", "0,", "-1", "+1", "0 1", "1024", "1-", "0-1-2"] {
            assert!(!valid::<CpuList>(bad), "{bad}");
        }
    }

    #[test]
    fn digests_are_hexadecimal_of_their_length_and_kept_in_lower_case() {
        let digest: Sha256 = "AB".repeat(32).parse().unwrap();
        assert_eq!(digest.as_str(), "ab".repeat(32));
        assert_eq!(Sha256::from([0x0a; 32]), "0A".repeat(32).parse().unwrap());
        assert!(!valid::<Sha256>(&"a".repeat(63)) && !valid::<Md5>(&"g".repeat(32)) && valid::<Md5>(&"0".repeat(32)));
    }

    #[test]
    fn a_url_needs_a_scheme_and_no_blank() {
        assert!(valid::<Url>("https://h/f.zip") && valid::<Url>("file:///srv/f"));
        for bad in ["", "/srv/f", "h/f:1", "://h", "https:", "https://h/a b"] {
            assert!(!valid::<Url>(bad), "{bad}");
        }
    }

    #[test]
    fn what_may_be_secret_in_a_url_is_not_shown() {
        for (url, expected) in [
            ("https://h:1/a@b.zip", "https://h:1/a@b.zip"),
            ("https://u:p@h/a.zip?X-Sig=p#p", "https://…@h/a.zip?…"),
            ("https://u:p@p@h#p", "https://…@h#…"),
            ("http:u:p@h/a", "http:…@h/a"),
            ("http:\\\\u:p@h\\a@b", "http:\\\\…@h\\a@b"),
            ("http:///u:p@h/a", "http:///…@h/a"),
            ("https://h/?to=https://u:p@h", "https://h/?…"),
            ("file:///srv/a@b.zip", "file:///srv/a@b.zip"),
        ] {
            assert_eq!(url.parse::<Url>().unwrap().shown(), expected, "{url}");
        }
    }

    #[test]
    fn an_address_that_is_refused_is_shown_without_what_may_be_secret() {
        let error = "https://u:c4nary@h /a?k=c4nary".parse::<Url>().unwrap_err().to_string();
        assert!(error.contains("`https://…@h /a?…`"), "{error}");
    }

    #[test]
    fn the_error_names_what_was_found_and_the_rule() {
        let error = "Bad Name".parse::<ServiceName>().unwrap_err().to_string();
        assert!(
            error.contains("`Bad Name`") && error.contains("service name") && error.contains("no dots"),
            "{error}"
        );
    }
}
