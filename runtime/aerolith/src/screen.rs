//! Where output goes: data to standard output, messages to standard error.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::Value;

use crate::arguments::Format;
use crate::outcome::Unread;
use crate::table::Table;

/// The two streams, and how data is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    format: Format,
    colour: bool,
}

impl Screen {
    /// Colours only on a terminal, and not where `NO_COLOR` is set (<https://no-color.org>).
    pub(crate) fn new(format: Format) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            format,
            colour: io::stdout().is_terminal() && !unwanted,
        }
    }

    pub(crate) fn format(self) -> Format {
        self.format
    }

    /// Writes an answer: as it stands for programs, otherwise as `table` says.
    pub(crate) fn show<const N: usize>(
        self,
        answer: &Value,
        table: impl FnOnce() -> anyhow::Result<Table<N>>,
    ) -> anyhow::Result<()> {
        match encode(answer, self.format)? {
            Some(text) => self.data(text),
            None => self.data(table()?.render(self.colour)),
        }
    }

    /// Writes an answer: as it stands for programs, otherwise as `text` says.
    pub(crate) fn tell(self, answer: &Value, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        let encoded = encode(answer, self.format)?;
        self.data(encoded.unwrap_or_else(text))
    }

    /// Whether standard error is a terminal on which lines can be drawn again.
    pub(crate) fn draws(self) -> bool {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        self.format == Format::Table && io::stderr().is_terminal() && !is_dumb
    }

    /// Writes data as it is, at once.
    pub(crate) fn data(self, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        let written = out.write_all(bytes.as_ref()).and_then(|()| out.flush());
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Unread.into(),
            _ => error.into(),
        })
    }

    /// Writes a message. Nobody is told when that fails, since it is telling that failed.
    pub(crate) fn message(self, text: &str) {
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// The text of an answer in a form for programs; nothing for people.
pub(crate) fn encode(answer: &Value, format: Format) -> anyhow::Result<Option<String>> {
    Ok(match format {
        Format::Table => None,
        Format::Json => Some(serde_json::to_string_pretty(answer)? + "\n"),
        Format::Yaml => Some(serde_saphyr::to_string(answer)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_yaml_hold_the_whole_answer() {
        let answer = serde_json::json!({"name": "weather", "on": "no", "services": [{"pid": 7}], "version": "12"});
        let json = encode(&answer, Format::Json).unwrap().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), answer);
        let yaml = encode(&answer, Format::Yaml).unwrap().unwrap();
        assert!(yaml.contains("name: weather\n") && yaml.ends_with('\n'), "{yaml}");
        assert_eq!(aerolith_model::read_yaml::<Value>("y", &yaml).unwrap(), answer);
        assert_eq!(encode(&answer, Format::Table).unwrap(), None);
    }
}
