//! Tables whose columns line up, on a terminal with the states coloured.

/// One value in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

/// What a value says about health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Plain,
    Good,
    Doubtful,
    Bad,
}

impl Tone {
    /// SGR codes of ECMA-48.
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Doubtful => Some("33"),
            Self::Bad => Some("31"),
        }
    }
}

/// The one word that says what something does, coloured by what it means.
pub(crate) fn state(word: &str) -> Cell {
    let tone = match word {
        "running" | "finished" | "succeeded" | "ready" | "used" | "true" | "good" => Tone::Good,
        "failed" | "quarantined" | "exited" | "crashed" | "refused" | "false" => Tone::Bad,
        "" | "stopped" | "former" | "wanted" | "unused" | "superseded" => Tone::Plain,
        _ => Tone::Doubtful,
    };
    Cell {
        tone,
        ..Cell::from(word)
    }
}

impl<T: ToString + ?Sized> From<&T> for Cell {
    /// Whatever would move the cursor is shown as a blank.
    fn from(value: &T) -> Self {
        let text = value
            .to_string()
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        Self {
            text,
            tone: Tone::Plain,
        }
    }
}

/// What may be absent; absent is `-`.
pub(crate) fn maybe<T: ToString>(value: Option<T>) -> Cell {
    value.map_or_else(|| Cell::from("-"), |value| Cell::from(&value.to_string()))
}

/// A table with its headings.
pub(crate) struct Table<const N: usize> {
    headings: [&'static str; N],
    rows: Vec<[Cell; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(headings: [&'static str; N], rows: impl IntoIterator<Item = [Cell; N]>) -> Self {
        Self {
            headings,
            rows: rows.into_iter().collect(),
        }
    }

    /// The table as text; two blanks between columns, none at the end of a line.
    pub(crate) fn render(&self, colour: bool) -> String {
        let headings = self.headings.map(Cell::from);
        let lines = || std::iter::once(&headings).chain(&self.rows);
        let width = |column: usize| lines().map(|row| row[column].text.chars().count()).max().unwrap_or(0);
        let widths: [usize; N] = std::array::from_fn(width);
        lines().map(|row| line(row, &widths, colour)).collect()
    }
}

fn line<const N: usize>(row: &[Cell; N], widths: &[usize; N], colour: bool) -> String {
    let last = row.iter().rposition(|cell| !cell.text.is_empty()).unwrap_or(0);
    let mut line = String::new();
    for (column, cell) in row.iter().enumerate().take(last + 1) {
        match cell.tone.code().filter(|_| colour) {
            Some(code) => line.extend(["\u{1b}[", code, "m", &cell.text, "\u{1b}[0m"]),
            None => line.push_str(&cell.text),
        }
        if column < last {
            let gap = widths[column] - cell.text.chars().count() + 2;
            line.extend(std::iter::repeat_n(' ', gap));
        }
    }
    line.push('\n');
    line
}

/// A time span in its largest unit: `59s`, `12m`, `5h`, `3d`.
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_is_in_them() {
        let rows = [
            [Cell::from("weather.agent.1"), state("running"), Cell::from("")],
            [Cell::from("wetter-süd"), state("failed"), Cell::from("exit 1")],
        ];
        let expected = "\
INSTANCE         STATE    REASON
weather.agent.1  running
wetter-süd       failed   exit 1
";
        assert_eq!(
            Table::new(["INSTANCE", "STATE", "REASON"], rows).render(false),
            expected
        );
    }

    #[test]
    fn colour_changes_no_width() {
        let table = Table::new(
            ["STATE", "PID"],
            [[state("running"), maybe(Some(7))], [state("failed"), maybe::<u8>(None)]],
        );
        let coloured = table.render(true);
        assert!(coloured.contains("\u{1b}[32mrunning\u{1b}[0m  7\n") && coloured.contains("failed\u{1b}[0m   -\n"));
        let plain = ["\u{1b}[32m", "\u{1b}[31m", "\u{1b}[0m"]
            .iter()
            .fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(plain, table.render(false));
    }

    #[test]
    fn a_value_cannot_steer_the_terminal() {
        let table = Table::new(["A"], [[Cell::from("x\u{1b}[2J\ny")]]).render(false);
        assert_eq!(table, "A\nx [2J y\n");
    }

    #[test]
    fn spans_are_shown_in_their_largest_unit() {
        assert_eq!(
            [0, 59, 60, 3_599, 3_600, 90_000].map(span),
            ["0s", "59s", "1m", "59m", "1h", "1d"]
        );
    }
}
