//! Durations as Go writes them: `500ms`, `30s`, `1h30m`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A span of time of at least zero, read and written in Go's notation (`time.ParseDuration`): decimal numbers, each
/// with one of the units `ns`, `us`/`µs`, `ms`, `s`, `m`, `h`. Resolution one nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GoDuration(pub Duration);

/// Text that is no duration in Go's notation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a duration: write numbers with units ns, us, ms, s, m or h, such as `500ms`, `30s`, `1h30m`")]
pub struct InvalidDuration {
    /// The text as found.
    pub found: String,
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;

impl GoDuration {
    /// A duration of whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl FromStr for GoDuration {
    type Err = InvalidDuration;
    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        total_nanos(text)
            .and_then(from_nanos)
            .map(Self)
            .ok_or_else(|| InvalidDuration { found: text.to_owned() })
    }
}

fn from_nanos(nanos: u128) -> Option<Duration> {
    let seconds = u64::try_from(nanos / NANOS_PER_SECOND).ok()?;
    Some(Duration::new(seconds, u32::try_from(nanos % NANOS_PER_SECOND).ok()?))
}

fn total_nanos(text: &str) -> Option<u128> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut sum = 0_u128;
    while !rest.is_empty() || text.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        sum = sum.checked_add(nanos(number, unit_nanos(unit)?)?)?;
        rest = next;
    }
    Some(sum)
}

fn unit_nanos(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS_PER_SECOND,
        "m" => 60 * NANOS_PER_SECOND,
        "h" => 3600 * NANOS_PER_SECOND,
        _ => return None,
    })
}

/// `number` is `digits[.digits]`; digits beyond the resolution are cut, as Go does.
fn nanos(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let mut sum = if whole.is_empty() {
        0
    } else {
        whole.parse::<u128>().ok()?.checked_mul(unit)?
    };
    let mut step = unit;
    for digit in fraction.bytes() {
        let exact = unit_fraction(&mut step, digit);
        sum = sum.checked_add(exact)?;
    }
    Some(sum)
}

/// Every unit is a whole multiple of a power of ten large enough that cutting happens below one nanosecond only.
fn unit_fraction(step: &mut u128, digit: u8) -> u128 {
    let value = *step * u128::from(digit - b'0') / 10;
    *step /= 10;
    value
}

impl TryFrom<String> for GoDuration {
    type Error = InvalidDuration;
    fn try_from(text: String) -> Result<Self, InvalidDuration> {
        text.parse()
    }
}

impl From<GoDuration> for String {
    fn from(value: GoDuration) -> Self {
        value.to_string()
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        if seconds == 0 && nanos == 0 {
            return f.write_str("0s");
        }
        for (amount, unit) in [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")] {
            if amount > 0 {
                write!(f, "{amount}{unit}")?;
            }
        }
        match nanos {
            0 => Ok(()),
            n if n % 1_000_000 == 0 => write!(f, "{}ms", n / 1_000_000),
            n if n % 1_000 == 0 => write!(f, "{}us", n / 1_000),
            n => write!(f, "{n}ns"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn go_notation_is_read() {
        let cases = [
            ("500ms", 500_000_000),
            ("30s", 30_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5s", 1_500_000_000),
            (".5m", 30_000_000_000),
            ("1.000000001s", 1_000_000_001),
            ("2us", 2_000),
            ("2µs", 2_000),
            ("0", 0),
        ];
        for (text, nanos) in cases {
            assert_eq!(
                text.parse::<GoDuration>().unwrap().0,
                Duration::from_nanos(nanos),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_by_name() {
        for text in [
            "",
            "5",
            "s",
            ".s",
            "-1s",
            "1d",
            "1 s",
            "1..2s",
            "1s2",
            "99999999999999999999999999999999999999h",
        ] {
            let error = text.parse::<GoDuration>().unwrap_err();
            assert!(error.to_string().contains(&format!("`{text}`")));
        }
    }

    proptest! {
        #[test]
        fn writing_and_reading_give_the_same_duration(seconds in any::<u64>(), nanos in 0_u32..1_000_000_000) {
            let duration = GoDuration(Duration::new(seconds, nanos));
            prop_assert_eq!(duration.to_string().parse::<GoDuration>().unwrap(), duration);
        }
    }
}
