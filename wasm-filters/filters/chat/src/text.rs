//! What is left of a text when its tricks are taken out, and what it consists of.
//!
//! A text is one line. Characters that turn the direction of writing, or that nobody sees, are taken
//! out, except where a script or an emoji needs them. Letters carry a bounded number of marks.

use lines::{is_invisible, is_joined, is_joiner, is_noncharacter, is_tag, may_be_tagged};
use unicode_normalization::char::is_combining_mark;

/// Longest name of an emote, in `:name:`.
const EMOTE_CHARS_MAX: usize = 32;

/// A text without tricks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Clean {
    pub(crate) text: String,
    /// In Unicode code points.
    pub(crate) chars: usize,
    /// Whether something was taken out that nobody types by accident.
    pub(crate) tricked: bool,
}

/// Doing it twice is doing it once.
pub(crate) fn clean(text: &str, marks_max: usize) -> Clean {
    let mut line = Line {
        out: String::with_capacity(text.len()),
        marks_max,
        ..Line::default()
    };
    text.chars().for_each(|c| line.take(c));
    Clean {
        chars: line.out.chars().count(),
        text: line.out,
        tricked: line.tricked,
    }
}

/// A text as it is written again, character by character. All decisions look at what was written,
/// so that they are the same the second time.
#[derive(Default)]
struct Line {
    out: String,
    marks_max: usize,
    last: Option<char>,
    space: bool,
    /// Is written when the next character turns out to need it.
    joiner: Option<char>,
    marks: usize,
    tags: usize,
    tricked: bool,
}

impl Line {
    fn take(&mut self, c: char) {
        if c.is_whitespace() || c == '\u{2800}' {
            // An empty Braille cell looks like a space, too.
            self.space = true;
            self.forget_joiner();
        } else if is_joiner(c) {
            self.tricked |= self.joiner.replace(c).is_some();
        } else if is_direction_mark(c) {
            // Keyboards of right-to-left scripts put them in: taken out, but no trick.
        } else if is_tag(c) {
            if !self.space && may_be_tagged(self.last, self.tags) {
                self.tags += 1;
                self.write(c);
            } else {
                self.tricked = true;
            }
        } else if matches!(c, '\u{FE0E}' | '\u{FE0F}') {
            let base = |last: char| !last.is_alphabetic() && !is_presentation(last);
            if !self.space && self.last.is_some_and(base) {
                self.write(c);
            }
        } else if c.is_control() || is_invisible(c) || is_noncharacter(c) {
            self.tricked = true;
        } else if is_combining_mark(c) {
            self.mark(c);
        } else {
            self.marks = 0;
            self.tags = 0;
            self.write(c);
        }
    }

    fn mark(&mut self, c: char) {
        if self.space {
            self.marks = 0;
        }
        if self.marks < self.marks_max {
            self.marks += 1;
            self.write(c);
        } else {
            self.tricked = true;
        }
    }

    fn write(&mut self, c: char) {
        if self.space && !self.out.is_empty() {
            self.out.push(' ');
        } else if let Some(joiner) = self.joiner.take() {
            if self.last.is_some_and(is_joined) && is_joined(c) {
                self.out.push(joiner);
            } else {
                self.tricked = true;
            }
        }
        self.forget_joiner();
        self.space = false;
        self.out.push(c);
        self.last = Some(c);
    }

    fn forget_joiner(&mut self) {
        self.tricked |= self.joiner.take().is_some();
    }
}

fn is_presentation(c: char) -> bool {
    matches!(c, '\u{FE0E}' | '\u{FE0F}')
}

fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}')
}

/// The longest run of one character.
pub(crate) fn longest_run(text: &str) -> usize {
    let (mut longest, mut run, mut last) = (0, 0, None);
    for c in text.chars() {
        run = if last == Some(c) { run + 1 } else { 1 };
        last = Some(c);
        longest = longest.max(run);
    }
    longest
}

/// Whether there is nothing but emoji, and emotes as `:name:`. With `names`, of those names only.
pub(crate) fn is_emotes_only(text: &str, names: &[String]) -> bool {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        if c.is_whitespace() || is_emoji(c) {
            rest = after;
        } else if let Some(keycap) = keycap(c, after) {
            rest = keycap;
        } else if c == ':' {
            let Some((name, after)) = after.split_once(':') else {
                return false;
            };
            let is_name = (1..=EMOTE_CHARS_MAX).contains(&name.len())
                && name
                    .bytes()
                    .all(|it| it.is_ascii_alphanumeric() || b"_+-".contains(&it))
                && (names.is_empty() || names.iter().any(|known| known == name));
            if !is_name {
                return false;
            }
            rest = after;
        } else {
            return false;
        }
    }
    true
}

/// What follows a digit in a box: the digit, perhaps U+FE0F, U+20E3.
fn keycap(c: char, after: &str) -> Option<&str> {
    if !matches!(c, '0'..='9' | '#' | '*') {
        return None;
    }
    let after = after.strip_prefix('\u{FE0F}').unwrap_or(after);
    after.strip_prefix('\u{20E3}')
}

/// By block: that a block has signs that are no emoji does not matter here.
fn is_emoji(c: char) -> bool {
    matches!(
        c,
        '\u{A9}' | '\u{AE}' | '\u{200D}' | '\u{203C}' | '\u{2049}' | '\u{2122}' | '\u{2139}'
            | '\u{2190}'..='\u{21FF}'
            | '\u{2300}'..='\u{23FF}'
            | '\u{24C2}'
            | '\u{25A0}'..='\u{27BF}'
            | '\u{2900}'..='\u{297F}'
            | '\u{2B00}'..='\u{2BFF}'
            | '\u{3030}' | '\u{303D}' | '\u{3297}' | '\u{3299}'
            | '\u{FE0E}' | '\u{FE0F}'
            | '\u{1F000}'..='\u{1FAFF}'
            | '\u{E0020}'..='\u{E007F}'
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cleaned(text: &str) -> (String, bool) {
        let clean = clean(text, 4);
        (clean.text, clean.tricked)
    }

    #[test]
    fn tricks_are_taken_out() {
        for (text, expected, tricked) in [
            ("  a \t b\n\nc ", "a b c", false),
            ("a\u{202E}b\u{2066}c\u{2069}", "abc", true),
            ("s\u{200B}p\u{2060}a\u{AD}m\u{FEFF}", "spam", true),
            ("s\u{200D}pam", "spam", true),
            ("a\u{3164}\u{FFFF}\u{7}", "a", true),
            ("\u{5E9}\u{200F}!", "\u{5E9}!", false),
            ("a\u{FE0F}", "a", false),
            ("\u{200D}", "", false),
            (" \u{2800} ", "", false),
            ("a\u{E0041}", "a", true),
        ] {
            assert_eq!(cleaned(text), (expected.to_owned(), tricked), "{text:?}");
        }
        let zalgo = format!("z{}!", "\u{301}".repeat(50));
        assert_eq!(
            cleaned(&zalgo),
            (format!("z{}!", "\u{301}".repeat(4)), true)
        );
    }

    #[test]
    fn what_scripts_and_emoji_need_stays() {
        for text in [
            "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}",
            "\u{2764}\u{FE0F}\u{200D}\u{1F525}",
            "1\u{FE0F}\u{20E3}",
            "\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
            "\u{645}\u{6CC}\u{200C}\u{62E}\u{648}\u{627}\u{647}\u{645}",
            "\u{915}\u{94D}\u{200D}\u{937}",
            "e\u{301}\u{323}",
        ] {
            assert_eq!(cleaned(text), (text.to_owned(), false), "{text:?}");
        }
    }

    #[test]
    fn emotes() {
        let names = ["wave".to_owned()];
        for (text, any, listed) in [
            ("\u{1F525}\u{1F525} \u{2764}\u{FE0F}", true, true),
            (":wave: :wave::wave:", true, true),
            (":other:", true, false),
            ("1\u{FE0F}\u{20E3}", true, true),
            ("\u{1F525} hot", false, false),
            ("12", false, false),
            (":a b:", false, false),
            ("::", false, false),
        ] {
            assert_eq!(is_emotes_only(text, &[]), any, "{text}");
            assert_eq!(is_emotes_only(text, &names), listed, "{text}");
        }
    }

    #[test]
    fn runs() {
        assert_eq!(longest_run(""), 0);
        assert_eq!(longest_run("abbbc"), 3);
    }

    /// Text with many of the characters that this file is about.
    pub(crate) fn hostile() -> impl Strategy<Value = String> {
        let c = prop_oneof![
            3 => prop::char::range('a', 'e'),
            2 => prop::sample::select(vec![
                ' ', '.', '\u{200B}', '\u{200C}', '\u{200D}', '\u{202E}', '\u{FE0F}', '\u{301}', '\u{E47}',
                '\u{20E3}', '\u{1F3F4}', '\u{E0067}', '\u{1F525}', '\u{2800}', '\u{915}', '\u{FFFF}', '\u{200F}',
            ]),
            1 => any::<char>(),
        ];
        prop::collection::vec(c, 0..60).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn cleaning_twice_is_cleaning_once(text in hostile(), marks in 0usize..6) {
            let once = clean(&text, marks);
            let twice = clean(&once.text, marks);
            prop_assert_eq!(&twice.text, &once.text);
            prop_assert!(!twice.tricked);
            prop_assert!(!once.text.chars().any(|c| is_invisible(c) || c.is_control()));
            is_emotes_only(&once.text, &[]);
        }
    }
}
