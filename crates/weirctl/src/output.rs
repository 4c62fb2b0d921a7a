//! Where a command's output goes: text for people, JSON for programs, colours for terminals.
//!
//! What the text says is made elsewhere, by functions without I/O that are tested against golden
//! text (`*/view.rs`).

mod file;
mod table;
mod units;

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

use crate::failure::Failure;

pub(crate) use file::Sink;
pub(crate) use table::{Cell, Table};
pub(crate) use units::{age, bytes, count, duration_us, instant, millis, percent};

/// What a word in the output says beyond itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Not as it should be.
    Bad,
    /// Less important than its neighbours.
    Dim,
}

/// Whether tones become colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Style {
    /// For files, pipes and tests.
    #[default]
    Plain,
    /// For a terminal.
    Coloured,
}

impl Style {
    /// The text in its tone.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match (self, tone) {
            (Self::Plain, _) | (_, Tone::Plain) => return text.to_owned(),
            (Self::Coloured, Tone::Good) => 32,
            (Self::Coloured, Tone::Warn) => 33,
            (Self::Coloured, Tone::Bad) => 31,
            (Self::Coloured, Tone::Dim) => 2,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// The process' own output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Machine output is asked for.
    pub(crate) json: bool,
    /// How text is written.
    pub(crate) style: Style,
}

impl Output {
    /// Colours only where a person looks on, and does not mind (<https://no-color.org>).
    pub(crate) fn new(json: bool) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let coloured = std::io::stdout().is_terminal() && !unwanted;
        let style = if coloured {
            Style::Coloured
        } else {
            Style::Plain
        };
        Self { json, style }
    }

    /// Writes the value as JSON, or what `text` makes of it.
    pub(crate) fn show<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce(&T, Style) -> String,
    ) -> Result<(), Failure> {
        if self.json {
            self.json_line(value)
        } else {
            self.text(&text(value, self.style))
        }
    }

    /// One JSON document on one line.
    pub(crate) fn json_line<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let json = serde_json::to_string(value).map_err(Failure::failed)?;
        self.text(&json)
    }

    /// Text, with a line feed at its end.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        let feed = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        // `weirctl ... | head` ends the pipe: that is no failure worth a message.
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.write_all(feed.as_bytes()))
            .and_then(|()| stdout.flush())
            .map_err(|_| Failure::Shown)
    }

    /// A step on the way, for people only: stderr where stdout holds JSON.
    pub(crate) fn step(&self, text: &str) {
        if self.json {
            drop(writeln!(std::io::stderr(), "{text}"));
        } else {
            drop(self.text(text));
        }
    }
}

/// Something beside the output, on stderr.
pub(crate) fn note(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// The text with control characters written out, so that what a filter logs or a server answers
/// cannot drive the terminal.
pub(crate) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        // Bidirectional overrides reorder what a person reads (Unicode TR 36, section 2.8).
        let unsafe_format = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match c {
            '\n' => safe.push_str("\\n"),
            '\t' => safe.push(' '),
            c if c.is_control() || unsafe_format => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals() {
        assert_eq!(Style::Plain.paint(Tone::Bad, "x"), "x");
        assert_eq!(Style::Coloured.paint(Tone::Plain, "x"), "x");
        assert_eq!(
            Style::Coloured.paint(Tone::Bad, "x"),
            "\u{1b}[31mx\u{1b}[0m"
        );
    }

    #[test]
    fn what_others_wrote_cannot_drive_the_terminal() {
        assert_eq!(printable("a\tb\u{1b}]0;x\u{7}"), "a b\\u{1b}]0;x\\u{7}");
        assert_eq!(printable("two\nlines"), "two\\nlines");
        assert_eq!(printable("grüße \u{202e}evil"), "grüße \\u{202e}evil");
    }
}
