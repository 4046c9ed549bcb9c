//! What an event says to people who wait for an application. Pure.

use std::time::Duration;

use aerolith_api::Event;
use serde_json::Value;

use crate::size::Size;

/// Digits of a digest that tell it from others.
const SHORT: usize = 12;

/// What people know a service of an application by.
pub(super) type Subject = fn(application: &str, service: &str) -> String;

/// What is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// An object is on its way.
    Fetching { object: Object, download: Download },
    /// An object is here.
    Here { object: Object, line: String },
    /// The package of a service has come to a stage.
    Package { line: String },
    /// An application does something else.
    Application { name: String, failed: bool, line: String },
}

/// An object that a service needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Object {
    pub(super) application: String,
    /// What people know that needs it.
    pub(super) subject: String,
    pub(super) key: String,
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Download {
    pub(super) bytes: u64,
    /// All bytes, where that is known.
    pub(super) size: Option<u64>,
    pub(super) per_second: u64,
}

impl News {
    /// What an event says, if it says anything to people. `subject` is what they know a service of an application by.
    pub(super) fn of(event: &Event, subject: Subject) -> Option<Self> {
        let levels: Vec<&str> = event.topic.split('/').collect();
        match levels.as_slice() {
            ["package", application, service, stage] => {
                of_package(application, &subject(application, service), stage, &event.data)
            }
            ["app", name, state] => of_application(name, state, &event.data),
            _ => None,
        }
    }
}

fn of_package(application: &str, subject: &str, stage: &str, data: &Value) -> Option<News> {
    let Some(key) = data["object"].as_str() else {
        let line = format!("{subject}: {}", package_stage(stage, data)?);
        return Some(News::Package { line });
    };
    let object = Object {
        application: application.into(),
        subject: subject.into(),
        key: key.into(),
    };
    if stage == "fetching" {
        let download = Download {
            bytes: number(data, "bytes"),
            size: data["size"].as_u64(),
            per_second: number(data, "bytesPerSecond"),
        };
        return Some(News::Fetching { object, download });
    }
    let line = format!("{subject}: {}", object_stage(key, stage, data)?);
    Some(News::Here { object, line })
}

fn object_stage(key: &str, stage: &str, data: &Value) -> Option<String> {
    let bytes = Size(number(data, "bytes"));
    Some(match (stage, number(data, "reusedBytes")) {
        ("fetched", 0) => format!("fetched {key}, {}", at_speed(data)),
        ("fetched", reused) => format!("fetched {key}, {}, {} were here", at_speed(data), Size(reused)),
        ("verified", _) => format!("verified {key}, sha256 {}", short(data["sha256"].as_str()?)),
        ("reused", _) => format!("reused {key}, {bytes}"),
        _ => return None,
    })
}

fn package_stage(stage: &str, data: &Value) -> Option<String> {
    let package = data["package"].as_str()?;
    Some(match stage {
        "unpacked" => format!("unpacked {package}, {}", at_speed(data)),
        "published" => format!("published {package}"),
        "reused" => format!("reused {package}, unpacked before"),
        "edited" => format!("{package} was edited in the store, and is built again"),
        _ => return None,
    })
}

fn of_application(name: &str, state: &str, data: &Value) -> Option<News> {
    // It is told of what was applied or deleted by whoever does that.
    data["revision"].as_u64().filter(|_| data["settled"].is_boolean())?;
    let line = match data["reason"].as_str().unwrap_or_default() {
        "" => format!("{name}: {state}{}", not_yet(state, data)),
        reason => format!("{name}: {state}: {reason}"),
    };
    let failed = state == "failed";
    let name = name.into();
    Some(News::Application { name, failed, line })
}

/// What is still to come of an application that runs.
fn not_yet(state: &str, data: &Value) -> &'static str {
    let conditions = data["conditions"].as_array().into_iter().flatten();
    let missing = conditions.filter(|condition| condition["status"] == "false");
    let reasons: Vec<(&str, &str)> = missing
        .filter_map(|one| Some((one["type"].as_str()?, one["reason"].as_str()?)))
        .collect();
    match reasons.as_slice() {
        _ if state != "running" => "",
        [.., ("Available", _)] => ", not ready yet",
        [("Deployed", "RolledBack"), ..] => ", the version before",
        [("Deployed", "Progressing"), ..] => ", not proven yet",
        _ => "",
    }
}

fn number(data: &Value, key: &str) -> u64 {
    data[key].as_u64().unwrap_or_default()
}

fn at_speed(data: &Value) -> String {
    let (bytes, rate) = (number(data, "bytes"), number(data, "bytesPerSecond"));
    format!("{} at {}/s", Size(bytes), Size(rate))
}

/// A digest, or a name that ends in one, shortened for people.
pub(crate) fn short(name: &str) -> &str {
    let prefix = name.rfind('-').map_or(0, |dash| dash + 1);
    let is_digest = name.len() - prefix >= 32 && name[prefix..].bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest { &name[..prefix + SHORT] } else { name }
}

impl Download {
    /// The text beside the bar: what is here, of how much, how fast, and how long it will take.
    pub(super) fn text(&self) -> String {
        let mut text = Size(self.bytes).to_string();
        if let Some(size) = self.size {
            text.push_str(&format!(" of {}", Size(size)));
        }
        text.push_str(&format!(", {}/s", Size(self.per_second)));
        if let Some(left) = self.left() {
            text.push_str(&format!(", {} left", duration(left)));
        }
        text
    }

    /// Time until all is here, at the speed so far.
    fn left(&self) -> Option<Duration> {
        let missing = self.size?.saturating_sub(self.bytes);
        missing.checked_div(self.per_second).map(Duration::from_secs)
    }
}

fn duration(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..60 => format!("{seconds}s"),
        seconds @ 60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        seconds => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::named;
    use serde_json::json;

    fn news(topic: &str, data: Value) -> Option<News> {
        let event = Event {
            topic: topic.into(),
            data,
        };
        News::of(&event, named)
    }

    fn line(topic: &str, data: Value) -> String {
        match news(topic, data).unwrap() {
            News::Here { line, .. } | News::Package { line } | News::Application { line, .. } => line,
            other @ News::Fetching { .. } => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_stage_is_a_line() {
        let digest = "0123456789abcdef".repeat(4);
        for (stage, data, expected) in [
            (
                "fetched",
                json!({"object": "a.zip", "bytes": 31_200_000, "bytesPerSecond": 104_000_000, "reusedBytes": 0}),
                "fetched a.zip, 31.2 MB at 104 MB/s",
            ),
            (
                "fetched",
                json!({"object": "a.zip", "bytes": 31_200_000, "bytesPerSecond": 104_000, "reusedBytes": 9_000}),
                "fetched a.zip, 31.2 MB at 104 kB/s, 9.00 kB were here",
            ),
            (
                "verified",
                json!({"object": "a.zip", "bytes": 1, "sha256": digest}),
                "verified a.zip, sha256 0123456789ab",
            ),
            ("reused", json!({"object": "a.zip", "bytes": 7}), "reused a.zip, 7 B"),
            (
                "unpacked",
                json!({"package": "pp", "bytes": 64_000_000, "bytesPerSecond": 320_000_000}),
                "unpacked pp, 64.0 MB at 320 MB/s",
            ),
            ("published", json!({"package": "pp"}), "published pp"),
            ("reused", json!({"package": "pp"}), "reused pp, unpacked before"),
            (
                "edited",
                json!({"package": "pp", "reason": "`run.sh` has other bytes"}),
                "pp was edited in the store, and is built again",
            ),
        ] {
            let topic = format!("package/weather/main/{stage}");
            assert_eq!(line(&topic, data), format!("weather.main: {expected}"));
        }
    }

    #[test]
    fn an_application_that_fails_says_why() {
        let told = json!({"revision": 3, "settled": true, "reason": ""});
        assert_eq!(line("app/weather/running", told), "weather: running");
        let told = json!({"revision": 3, "settled": false, "reason": "main: 404"});
        assert_eq!(line("app/weather/failed", told), "weather: failed: main: 404");
    }

    #[test]
    fn an_application_that_runs_says_what_is_still_to_come() {
        let told = |conditions: &[(&str, &str)]| {
            let all = conditions.iter().map(|(aspect, reason)| {
                let status = if aspect == reason { "true" } else { "false" };
                json!({"type": aspect, "status": status, "reason": reason})
            });
            let all: Vec<Value> = all.collect();
            line(
                "app/weather/running",
                json!({"revision": 3, "settled": false, "reason": "", "conditions": all}),
            )
        };
        for (deployed, available, expected) in [
            ("Progressing", "NotReady", "weather: running, not ready yet"),
            ("Progressing", "Available", "weather: running, not proven yet"),
            ("RolledBack", "Available", "weather: running, the version before"),
            ("Deployed", "Available", "weather: running"),
        ] {
            assert_eq!(told(&[("Deployed", deployed), ("Available", available)]), expected);
        }
    }

    #[test]
    fn a_download_says_how_far_it_is_and_how_long_it_will_take() {
        let of = |bytes, size, per_second| {
            Download {
                bytes,
                size,
                per_second,
            }
            .text()
        };
        assert_eq!(
            of(12_000_000, Some(64_000_000), 1_000_000),
            "12.0 MB of 64.0 MB, 1.00 MB/s, 52s left"
        );
        assert_eq!(of(0, Some(90_000), 1_000), "0 B of 90.0 kB, 1.00 kB/s, 1m30s left");
        assert_eq!(of(0, Some(8_000), 1), "0 B of 8.00 kB, 1 B/s, 2h13m left");
        assert_eq!(of(5, Some(9), 0), "5 B of 9 B, 0 B/s");
        assert_eq!(of(5, None, 7), "5 B, 7 B/s");
    }

    #[test]
    fn what_says_nothing_to_people_is_passed_over() {
        for topic in [
            "package/a/b/later",
            "package/a/b",
            "service/a.b/prepared",
            "app/a/applied",
            "api/missed",
        ] {
            assert_eq!(news(topic, json!({"revision": 1, "package": "pp"})), None, "{topic}");
        }
        assert_eq!(news("package/a/b/fetched", Value::Null), None);
    }

    #[test]
    fn only_a_digest_is_shortened() {
        let digest = "ab".repeat(32);
        assert_eq!(short(&digest), "abababababab");
        assert_eq!(short(&format!("program-{digest}")), "program-abababababab");
        assert_eq!(short(".staging-12"), ".staging-12");
        assert_eq!(short("weather"), "weather");
    }
}
