//! What a service may use of the machine, and what it asks of it.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::text::CpuList;

/// What a service may use at most, and what it needs (Kubernetes, Baetyl v2); names such as `cpu`, `memory`,
/// `nvidia.com/gpu`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Resources {
    /// At most: `cpu` in processors, `memory` and `swap` (beside the memory) in bytes, `pids` (processes and threads), `openFiles`
    /// (of one process), and others by a vendor's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Quantity>,
    /// At least.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, Quantity>,
    /// Processors that it may run on, all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset: Option<CpuList>,
    /// Its share of the disks when they are busy, from 1 to 10,000; 100 is everybody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_weight: Option<NonZeroU16>,
}

/// An amount as Kubernetes writes it: `500m`, `1.5`, `256Mi`, `2G`, `1e3`; a number may stand without
/// quotes. Kept as written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct Quantity {
    text: String,
    thousandths: u64,
}

/// Text that is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` is not a quantity: expected a number that is not negative, with one of n, u, m, k, M, G, T, P, Ki, Mi, Gi, Ti, \
     Pi behind it or nothing, as in 500m or 256Mi"
)]
pub struct InvalidQuantity {
    /// The text as found.
    pub found: String,
}

impl Quantity {
    /// The amount in thousandths, as of a processor; a part of a thousandth counts as one.
    #[must_use]
    pub const fn thousandths(&self) -> u64 {
        self.thousandths
    }

    /// The amount in whole units, as of bytes; a part of one counts as one.
    #[must_use]
    pub const fn whole(&self) -> u64 {
        self.thousandths.div_ceil(1000)
    }
}

impl FromStr for Quantity {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let thousandths = thousandths(text).ok_or_else(|| InvalidQuantity { found: text.to_owned() })?;
        let text = text.to_owned();
        Ok(Self { text, thousandths })
    }
}

/// The longest amount that Kubernetes takes is far below where a float counts whole numbers no more.
fn thousandths(text: &str) -> Option<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "" => 1e3,
        "n" => 1e-6,
        "u" => 1e-3,
        "m" => 1.0,
        "k" => 1e6,
        "M" => 1e9,
        "G" => 1e12,
        "T" => 1e15,
        "P" => 1e18,
        "Ki" => 1024_f64 * 1e3,
        "Mi" => 1_048_576_f64 * 1e3,
        "Gi" => 1_073_741_824_f64 * 1e3,
        "Ti" => 1_099_511_627_776_f64 * 1e3,
        "Pi" => 1_125_899_906_842_624_f64 * 1e3,
        exponent => exponent
            .strip_prefix(['e', 'E'])?
            .parse()
            .ok()
            .map(|power: i32| 10_f64.powi(power) * 1e3)?,
    };
    let value = number.parse::<f64>().ok()? * factor;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked"
    )]
    (value.is_finite() && (0.0..=9e18).contains(&value)).then(|| value.ceil() as u64)
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor)
    }
}

/// Written out because an untagged enum would lose where in the text an error is.
struct QuantityVisitor;

impl Visitor<'_> for QuantityVisitor {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount such as 2, 500m or 256Mi")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Quantity, E> {
        self.visit_str(&number.to_string())
    }
}

impl From<Quantity> for String {
    fn from(quantity: Quantity) -> Self {
        quantity.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_kubernetes_means_them() {
        for (text, thousandths) in [
            ("500m", 500),
            ("1.5", 1500),
            ("2", 2000),
            ("256Mi", 268_435_456_000),
            ("2G", 2_000_000_000_000),
            ("1e3", 1_000_000),
            ("0", 0),
            ("0.0001", 1),
            ("5u", 1),
            ("2000000n", 2),
        ] {
            let quantity: Quantity = text.parse().unwrap();
            assert_eq!(
                (quantity.thousandths(), quantity.to_string().as_str()),
                (thousandths, text)
            );
        }
    }

    #[test]
    fn a_number_needs_no_quotes() {
        for (json, text) in [("2", "2"), ("0.5", "0.5"), (r#""2""#, "2")] {
            assert_eq!(serde_json::from_str::<Quantity>(json).unwrap().to_string(), text);
        }
        for json in ["-1", "true", "[]", "null"] {
            assert!(serde_json::from_str::<Quantity>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            "-1",
            "Mi",
            "1 Mi",
            "1mi",
            "1e",
            "1e999",
            ".",
            "nan",
            "inf",
            "9999999Pi",
        ] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }
}
