use aerolith_plugin::wire::arch::{Choice, Object};
use arch_resolver::choose::choose;

/// Variable names: the first line is a platform, every other an object's name, with its platform after a tab. What is
/// chosen, and what is passed over, are the objects that were offered, each once.
pub(crate) fn names(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let Some(platform) = lines.next().and_then(|line| line.parse().ok()) else {
        return;
    };
    let objects: Vec<Object> = lines.take(32).map(object).collect();
    let mut offered: Vec<&str> = objects.iter().map(|object| object.name.as_str()).collect();
    offered.sort_unstable();
    let Ok(Choice {
        chosen, passed_over, ..
    }) = choose(platform, &objects)
    else {
        return;
    };
    let platform = platform.to_string();
    let os = platform.split('-').next().unwrap_or_default();
    let says = |name: &str| {
        objects
            .iter()
            .any(|object| object.name == name && object.platform.is_some())
    };
    let mut told: Vec<&str> = chosen.iter().map(String::as_str).collect();
    assert!(
        told.iter().all(|name| name.contains(os) || says(name)),
        "{told:?} for {platform}"
    );
    told.extend(passed_over.iter().map(|passed| passed.name.as_str()));
    told.sort_unstable();
    assert_eq!(told, offered);
}

fn object(line: &str) -> Object {
    let (name, platform) = match line.split_once('\t') {
        Some((name, platform)) => (name, Some(platform.to_owned())),
        None => (line, None),
    };
    Object {
        name: name.to_owned(),
        platform,
    }
}
