//! What the conditions in a status must say.

use super::world::{Fate, Picture, Wanted};
use serde_json::Value;

/// All of a node that has settled.
pub(super) fn of_node(status: &Value) -> Result<(), String> {
    ["Ready", "StateWhole", "DiskWritable"]
        .iter()
        .try_for_each(|aspect| holds(status, aspect, &[aspect]))
}

/// An application of which a picture is seen: whether its newest version is in force is for the picture to say, and whether
/// it is available for what becomes of its services.
pub(super) fn of_application(shown: &Value, picture: &Picture, is_newest: bool) -> Result<(), String> {
    match is_newest {
        true => holds(shown, "Deployed", &["Deployed"])?,
        false => fails(shown, "Deployed")?,
    }
    let runs = |wanted: &Wanted| wanted.fate == Fate::Runs || wanted.replicas == 0;
    match picture.values().all(runs) {
        true => holds(shown, "Available", &["Available"]),
        false => fails(shown, "Available"),
    }
}

/// A service of which nothing fails, in the newest version or the one before.
pub(super) fn of_running(shown: &Value, wanted: &Wanted, is_newest: bool) -> Result<(), String> {
    if is_newest && wanted.replicas > 0 {
        holds(shown, "Prepared", &["Prepared"])?;
    }
    let instances = shown["instances"].as_array().unwrap();
    for instance in instances {
        ["Running", "Ready", "Healthy"]
            .iter()
            .try_for_each(|aspect| holds(instance, aspect, &[aspect]))?;
    }
    match is_newest {
        true => holds(shown, "Available", &["Available", "NoneWanted"]),
        false => Ok(()),
    }
}

/// A service of which instances are wanted and cannot be had.
pub(super) fn of_failing(shown: &Value) -> Result<(), String> {
    fails(shown, "Available")
}

fn holds(of: &Value, aspect: &str, reasons: &[&str]) -> Result<(), String> {
    let found = about(of, aspect)?;
    let is_one = reasons.iter().any(|reason| found["reason"] == *reason);
    match found["status"] == "true" && is_one {
        true => Ok(()),
        false => Err(format!("{aspect} of {}: {found}", named(of))),
    }
}

/// It does not hold, for a reason that is no other's: where all is well the reason is called like the condition.
fn fails(of: &Value, aspect: &str) -> Result<(), String> {
    let found = about(of, aspect)?;
    match found["status"] == "false" && found["reason"] != aspect {
        true => Ok(()),
        false => Err(format!("{aspect} of {} holds: {found}", named(of))),
    }
}

fn about<'a>(of: &'a Value, aspect: &str) -> Result<&'a Value, String> {
    let all = of["conditions"].as_array();
    let found = all.and_then(|all| all.iter().find(|condition| condition["type"] == aspect));
    found.ok_or_else(|| format!("{} says nothing of {aspect}", named(of)))
}

fn named(of: &Value) -> &Value {
    ["id", "name", "node"]
        .iter()
        .map(|key| &of[key])
        .find(|name| !name.is_null())
        .unwrap_or(&Value::Null)
}
