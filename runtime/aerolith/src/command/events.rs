//! `aerolith events`: what happens, as it happens.

use aerolith_api::Event;

use crate::arguments::Format;
use crate::client::{Client, next, quoted};
use crate::lines::Lines;
use crate::screen::{Screen, encode};

/// Shows events until the daemon ends.
pub(crate) async fn events(client: &Client, filter: &str, screen: Screen) -> anyhow::Result<()> {
    let mut stream = client.stream(&format!("/v1/events?filter={}", quoted(filter))).await?;
    let mut lines = Lines::default();
    while let Some(piece) = next(&mut stream).await? {
        for line in lines.push(&piece) {
            screen.data(shown(&serde_json::from_slice(&line)?, screen.format())?)?;
        }
    }
    Ok(())
}

/// One event: a line for people and for programs, a document in YAML.
pub(crate) fn shown(event: &Event, format: Format) -> anyhow::Result<String> {
    Ok(match format {
        Format::Table => format!("{}  {}\n", event.topic, event.data),
        Format::Json => serde_json::to_string(event)? + "\n",
        Format::Yaml => format!(
            "---\n{}",
            encode(&serde_json::to_value(event)?, format)?.unwrap_or_default()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_or_one_document() {
        let line = br#"{"topic":"app/weather/running","data":{"pid":7}}"#;
        let event: Event = serde_json::from_slice(line).unwrap();
        assert_eq!(
            shown(&event, Format::Table).unwrap(),
            "app/weather/running  {\"pid\":7}\n"
        );
        assert_eq!(shown(&event, Format::Json).unwrap().trim_end().as_bytes(), line);
        let yaml = shown(&event, Format::Yaml).unwrap();
        assert!(
            yaml.starts_with("---\n") && yaml.contains("\ntopic: app/weather/running\n"),
            "{yaml}"
        );
    }
}
