//! Sizes in bytes as people write them.

use serde::Deserialize;

/// A number of bytes: `67108864`, `64Mi`, `64M`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Size(pub(crate) u64);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

const UNITS: [(&str, u64); 9] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("K", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("", 1),
];

impl TryFrom<Written> for Size {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let text = match written {
            Written::Number(bytes) => return Ok(Self(bytes)),
            Written::Text(text) => text,
        };
        let unit = UNITS
            .iter()
            .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
        let size = unit.and_then(|(digits, bytes)| digits.parse::<u64>().ok()?.checked_mul(*bytes));
        size.map(Self)
            .ok_or_else(|| format!("`{text}` is not a size: expected bytes such as 67108864, 64Mi or 64M"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        for (text, bytes) in [
            ("7", 7),
            ("\"7\"", 7),
            ("\"64Mi\"", 64 << 20),
            ("\"2G\"", 2_000_000_000),
        ] {
            assert_eq!(serde_json::from_str::<Size>(text).unwrap(), Size(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_or_too_large_is_refused() {
        for text in ["\"\"", "\"Mi\"", "\"-1\"", "\"1.5Mi\"", "\"99999999999Ti\""] {
            assert!(
                serde_json::from_str::<Size>(text)
                    .unwrap_err()
                    .to_string()
                    .contains("not a size"),
                "{text}"
            );
        }
    }
}
