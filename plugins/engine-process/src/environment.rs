//! What an instance finds in its environment: nothing of the daemon's but what every program expects and what was asked for.

use crate::proc::Mark;
use crate::sandbox::User;
use aerolith_plugin::wire::engine::Workload;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// Names that every program expects, and what they are where the daemon has none.
const EXPECTED: [(&str, Option<&str>); 4] = [
    (
        "PATH",
        Some("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ),
    ("HOME", Some("/")),
    ("LANG", Some("C.UTF-8")),
    ("TZ", None),
];

/// The whole environment: what is expected and what is passed through of the daemon's, the workload's own variables over it,
/// the home of its user where it has one, and its mark over everything.
pub(crate) fn of(workload: &Workload, mark: &Mark, user: Option<&User>) -> BTreeMap<OsString, OsString> {
    whole(workload, mark, user, |name| std::env::var_os(name))
}

fn whole(
    workload: &Workload,
    mark: &Mark,
    user: Option<&User>,
    daemon: impl Fn(&str) -> Option<OsString>,
) -> BTreeMap<OsString, OsString> {
    let expected = EXPECTED
        .iter()
        .filter_map(|(name, otherwise)| Some((OsString::from(name), daemon(name).or(otherwise.map(OsString::from))?)));
    let home = user.and_then(User::home).map(|home| ("HOME".into(), home.into()));
    let passed = workload.passed_environment.iter();
    let passed = passed.filter_map(|name| Some((OsString::from(name), daemon(name)?)));
    let given = workload
        .environment
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    let marks = mark.variables();
    let marks = marks
        .iter()
        .map(|(name, value)| (OsStr::new(name).into(), OsStr::new(value).into()));
    expected.chain(home).chain(passed).chain(given).chain(marks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_daemon(name: &str) -> Option<OsString> {
        match name {
            "TZ" => Some("Asia/Tokyo".into()),
            "PROXY" | "SECRET" => Some("daemon's".into()),
            _ => None,
        }
    }

    #[test]
    fn what_is_asked_for_is_passed_and_nothing_else_of_the_daemon() {
        let workload = Workload {
            passed_environment: vec!["PROXY".into(), "ABSENT".into()],
            environment: [("LANG".to_owned(), "de_DE".to_owned())].into(),
            ..Workload::default()
        };
        let mark = Mark::new("a.b.1", "t").unwrap();
        let all = whole(&workload, &mark, None, of_daemon);
        let get = |name: &str| all.get(OsStr::new(name)).and_then(|value| value.to_str());
        assert_eq!(
            (get("PROXY"), get("SECRET"), get("ABSENT")),
            (Some("daemon's"), None, None)
        );
        assert_eq!(
            (get("LANG"), get("TZ"), get("HOME")),
            (Some("de_DE"), Some("Asia/Tokyo"), Some("/"))
        );
        assert!(get("PATH").unwrap().contains("/usr/bin"));
        assert_eq!(get("AEROLITH_TOKEN"), Some("t"));
    }

    #[test]
    fn nobody_can_give_an_instance_another_mark() {
        let workload = Workload {
            environment: [("AEROLITH_TOKEN".to_owned(), "other".to_owned())].into(),
            passed_environment: vec!["AEROLITH_INSTANCE".into()],
            ..Workload::default()
        };
        let mark = Mark::new("a.b.1", "t").unwrap();
        let all = whole(&workload, &mark, None, |_| Some("daemon's".into()));
        assert_eq!(all.get(OsStr::new("AEROLITH_TOKEN")).unwrap(), "t");
        assert_eq!(all.get(OsStr::new("AEROLITH_INSTANCE")).unwrap(), "a.b.1");
    }
}
