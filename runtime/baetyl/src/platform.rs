//! Whether a key names a platform.

const SYSTEMS: [&str; 3] = ["linux", "windows", "darwin"];
const MACHINES: [&str; 12] = [
    "amd64", "x86_64", "386", "arm64", "aarch64", "arm", "riscv64", "loong64", "ppc64le", "s390x", "mips64le", "mipsle",
];

/// Whether `key` holds `<os>-<arch>` as whole words, that is, bounded by anything but letters and digits. Which
/// platform it is, and whose, is for the resolver to say.
pub(crate) fn names_platform(key: &str) -> bool {
    SYSTEMS.iter().any(|system| {
        MACHINES.iter().any(|machine| {
            let platform = format!("{system}-{machine}");
            key.match_indices(&platform)
                .any(|(at, _)| is_bounded(key, at, at + platform.len()))
        })
    })
}

fn is_bounded(key: &str, start: usize, end: usize) -> bool {
    let bytes = key.as_bytes();
    let is_word = |index: Option<usize>| index.and_then(|i| bytes.get(i)).is_some_and(u8::is_ascii_alphanumeric);
    !is_word(start.checked_sub(1)) && !is_word(Some(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_counts_anywhere_in_the_key_as_a_whole_word() {
        for key in [
            "linux-amd64",
            "linux-arm64-v8-x.zip",
            "x-linux-arm-v7.zip",
            "x.zip-windows-amd64",
            "a_darwin-amd64",
        ] {
            assert!(names_platform(key), "{key}");
        }
        for key in [
            "notes.zip",
            "linux",
            "mylinux-amd64",
            "linux-amd64p32",
            "linux_amd64",
            "arm64",
        ] {
            assert!(!names_platform(key), "{key}");
        }
    }
}
