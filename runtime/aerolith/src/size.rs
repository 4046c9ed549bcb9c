//! Sizes in bytes as people write and read them.

use std::fmt;

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
impl schemars::JsonSchema for Size {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "bytes, such as 67108864, 64Mi or 64M",
            "type": ["integer", "string"],
            "minimum": 0,
            "pattern": "^[0-9]+(Ki|Mi|Gi|Ti|k|K|M|G)?$",
        })
    }
}

impl fmt::Display for Size {
    /// Three digits and a decimal unit: `999 B`, `1.05 kB`, `31.2 MB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1_000 {
            return write!(f, "{} B", self.0);
        }
        let (mut value, mut units) = (self.0 as f64 / 1_000.0, ["kB", "MB", "GB", "TB"].as_slice());
        while let ([_, larger @ ..], true) = (units, value >= 999.5 && units.len() > 1) {
            (value, units) = (value / 1_000.0, larger);
        }
        let decimals = match value {
            ..9.995 => 2,
            ..99.95 => 1,
            _ => 0,
        };
        write!(f, "{value:.decimals$} {}", units.first().unwrap_or(&"B"))
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
    fn sizes_are_shown_with_three_digits() {
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.00 kB"),
            (9_994, "9.99 kB"),
            (9_996, "10.0 kB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (31_234_567, "31.2 MB"),
            (104_000_000_000, "104 GB"),
            (5_000_000_000_000_000, "5000 TB"),
        ] {
            assert_eq!(Size(bytes).to_string(), shown);
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
