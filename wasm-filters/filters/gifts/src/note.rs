//! What a sender may write beside a gift: one line of text without tricks.
//!
//! The contract gives a note to the room as it was written, so that what is wrong with it is refused
//! and not taken out. What scripts and emoji need is not wrong.

use lines::{
    is_invisible, is_joined, is_joiner, is_line_break, is_noncharacter, is_tag, may_be_tagged,
};
use unicode_normalization::char::is_combining_mark;

use crate::refusal::Refusal;

/// Marks that one letter may carry, as in chat.
const MARKS_MAX: usize = 4;

/// Whether there is anything in it.
pub(crate) fn is_blank(note: &str) -> bool {
    note.chars().all(char::is_whitespace)
}

pub(crate) fn check(note: &str, chars_max: usize) -> Result<(), Refusal> {
    if note.chars().count() > chars_max {
        return Err(Refusal::NoteTooLong { chars_max });
    }
    if is_plain(note) {
        return Ok(());
    }
    Err(Refusal::NoteTricks)
}

/// Whether it is one line, in which everything is seen and stands where it seems to.
pub(crate) fn is_plain(text: &str) -> bool {
    let (mut last, mut marks, mut tags) = (None, 0, 0);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        let fine = if is_joiner(c) {
            // Between emoji, and letters of scripts that need it.
            last.is_some_and(is_joined) && chars.peek().copied().is_some_and(is_joined)
        } else if is_tag(c) {
            may_be_tagged(last, tags)
        } else {
            marks <= MARKS_MAX && !c.is_control() && !is_hidden(c) && !is_noncharacter(c)
        };
        tags = if is_tag(c) { tags + 1 } else { 0 };
        if !fine {
            return false;
        }
        last = Some(c);
    }
    true
}

fn is_hidden(c: char) -> bool {
    is_invisible(c) || is_line_break(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_people_write() {
        for note in [
            "",
            "for you, Ana!",
            "спасибо за эфир",
            "ありがとう\u{3000}ございます",
            "\u{5E9}\u{5DC}\u{5D5}\u{5DD}\u{200F}!",
            "\u{645}\u{6CC}\u{200C}\u{62E}\u{648}\u{627}\u{647}\u{645}",
            "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}",
            "\u{2764}\u{FE0F}\u{200D}\u{1F525}",
            "1\u{FE0F}\u{20E3}",
            "\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
            "e\u{301}\u{323}",
        ] {
            assert_eq!(check(note, 140), Ok(()), "{note:?}");
        }
    }

    #[test]
    fn tricks_are_refused() {
        for note in [
            "a\nb",
            "a\tb",
            "a\u{7}",
            "a\u{85}b",
            "a\u{2028}b",
            "a\u{202E}b",
            "a\u{2066}b\u{2069}",
            "a\u{200B}b",
            "a\u{200D}b",
            "\u{1F525}\u{200D}",
            "\u{1F525}\u{200D}\u{200D}\u{1F525}",
            "a\u{E0041}",
            "a\u{3164}b",
            "a\u{FFFF}",
            "a\u{FEFF}",
            "z\u{301}\u{301}\u{301}\u{301}\u{301}",
        ] {
            assert_eq!(check(note, 140), Err(Refusal::NoteTricks), "{note:?}");
        }
    }

    #[test]
    fn length_is_in_code_points() {
        let most = "\u{1F525}".repeat(140);
        assert_eq!(check(&most, 140), Ok(()));
        let more = format!("{most}!");
        assert_eq!(
            check(&more, 140),
            Err(Refusal::NoteTooLong { chars_max: 140 })
        );
        assert_eq!(check("a", 0), Err(Refusal::NoteTooLong { chars_max: 0 }));
        assert!(is_blank(" \u{3000}") && is_blank("") && !is_blank(" a"));
    }

    proptest! {
        #[test]
        fn what_is_taken_is_one_line_that_turns_nothing(note in ".{0,160}") {
            if check(&note, 140).is_ok() {
                prop_assert!(!note.chars().any(|c| c.is_control() || is_hidden(c)));
                prop_assert!(note.chars().count() <= 140);
            }
        }
    }
}
