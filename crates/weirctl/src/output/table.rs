//! Columns that line up. Knows nothing of what stands in them.

use super::{Style, Tone, printable};

/// Between two columns.
const GAP: &str = "  ";
/// Widest cell that others are padded to; a longer one moves its row's rest to the right.
const CELL_CHARS_MAX: usize = 60;

/// One field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A field in a tone.
    pub(crate) fn toned(tone: Tone, text: impl Into<String>) -> Self {
        Self {
            text: printable(&text.into()),
            tone,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(Tone::Plain, text)
    }
}

/// A header, and rows as wide as it.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    name: &'static str,
    right: bool,
}

impl Table {
    /// Columns by name; one that begins with `>` holds numbers and is aligned to the right.
    pub(crate) fn new<const N: usize>(columns: [&'static str; N]) -> Self {
        let columns = columns.map(|name| match name.strip_prefix('>') {
            Some(name) => Column { name, right: true },
            None => Column { name, right: false },
        });
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.to_vec());
    }

    /// No row was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Header and rows, each line ended, no blanks at the end of one.
    pub(crate) fn render(&self, style: Style) -> String {
        let widths = self.widths();
        let header = self.columns.iter().map(|column| Cell {
            text: column.name.to_owned(),
            tone: Tone::Dim,
        });
        let header = header.collect::<Vec<_>>();
        let lines = std::iter::once(&header).chain(&self.rows);
        lines
            .map(|row| self.line(row, &widths, style) + "\n")
            .collect()
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.columns.iter().enumerate();
        let widths = columns.map(|(index, column)| {
            let cells = self.rows.iter().filter_map(|row| row.get(index));
            let widest = cells.map(|cell| width(&cell.text)).max().unwrap_or(0);
            widest.min(CELL_CHARS_MAX).max(width(column.name))
        });
        widths.collect()
    }

    fn line(&self, row: &[Cell], widths: &[usize], style: Style) -> String {
        let mut line = String::new();
        let mut pending = 0;
        for ((cell, &wide), column) in row.iter().zip(widths).zip(&self.columns) {
            let pad = wide.saturating_sub(width(&cell.text));
            let (before, after) = if column.right { (pad, 0) } else { (0, pad) };
            if cell.text.is_empty() {
                pending += wide + GAP.len();
                continue;
            }
            line.push_str(&" ".repeat(pending + before));
            line.push_str(&style.paint(cell.tone, &cell.text));
            pending = after + GAP.len();
        }
        line
    }
}

/// Characters are counted as one column each: names are ASCII, and a wide letter in a reason, which
/// stands last, moves nothing.
fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_tail() {
        let mut table = Table::new(["NAME", ">CALLS", "STATE", "NOTE"]);
        table.row(["auth".into(), "12".into(), "active".into(), "".into()]);
        table.row(["geo-block".into(), "1200".into(), "".into(), "x".into()]);
        let expected = "\
NAME       CALLS  STATE   NOTE
auth          12  active
geo-block   1200          x
";
        assert_eq!(table.render(Style::Plain), expected);
    }

    #[test]
    fn colours_do_not_move_columns() {
        let mut table = Table::new(["A", "B"]);
        table.row([Cell::toned(Tone::Good, "ok"), "x".into()]);
        table.row(["longer".into(), "y".into()]);
        let stripped = table
            .render(Style::Coloured)
            .replace("\u{1b}[32m", "")
            .replace("\u{1b}[2m", "")
            .replace("\u{1b}[0m", "");
        assert_eq!(stripped, table.render(Style::Plain));
    }

    #[test]
    fn one_long_cell_does_not_widen_the_others() {
        let mut table = Table::new(["A", "B"]);
        table.row(["x".repeat(100).into(), "1".into()]);
        table.row(["y".into(), "2".into()]);
        let text = table.render(Style::Plain);
        let last = text.lines().last().unwrap();
        assert_eq!(last.len(), CELL_CHARS_MAX + GAP.len() + 1);
    }
}
