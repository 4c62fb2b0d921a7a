//! Which characters of one line of text play tricks, and which of them scripts and emoji need.
//!
//! What becomes of a trick is the filters' matter: chat takes it out, a note of a gift is refused.

/// Begins the flags of regions: tag characters follow, and spell the region.
pub const BLACK_FLAG: char = '\u{1F3F4}';

/// Tag characters after a black flag: England's has six.
pub const FLAG_TAGS_MAX: usize = 8;

/// Whether a tag character may follow `last`, which has `tags` of them before it.
#[must_use]
pub fn may_be_tagged(last: Option<char>, tags: usize) -> bool {
    tags < FLAG_TAGS_MAX && last.is_some_and(|last| last == BLACK_FLAG || is_tag(last))
}

#[must_use]
pub fn is_tag(c: char) -> bool {
    matches!(c, '\u{E0020}'..='\u{E007F}')
}

#[must_use]
pub fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}')
}

/// Whether a joiner beside it can mean something: emoji, and scripts other than Latin.
#[must_use]
pub fn is_joined(c: char) -> bool {
    c > '\u{2FF}' && !is_joiner(c)
}

/// Takes no room, or looks like nothing; and what turns the direction of writing. Not the marks that
/// keyboards of right-to-left scripts put in (U+061C, U+200E, U+200F): they turn nothing.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{34F}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180E}'
            | '\u{200B}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E001F}'
            | '\u{E0080}'..='\u{E0FFF}'
    )
}

/// Begins a line without being a control character.
#[must_use]
pub fn is_line_break(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// What Unicode keeps for itself (Unicode 23.7).
#[must_use]
pub fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    code & 0xFFFE == 0xFFFE || (0xFDD0..=0xFDEF).contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_has_a_bounded_number_of_tags() {
        assert!(may_be_tagged(Some(BLACK_FLAG), 0));
        assert!(may_be_tagged(Some('\u{E0067}'), FLAG_TAGS_MAX - 1));
        assert!(!may_be_tagged(Some('\u{E0067}'), FLAG_TAGS_MAX));
        assert!(!may_be_tagged(Some('a'), 0));
        assert!(!may_be_tagged(None, 0));
    }

    #[test]
    fn no_character_is_of_two_kinds() {
        for c in (0..=0x10_FFFF).filter_map(char::from_u32) {
            let kinds = [
                is_tag(c),
                is_joiner(c),
                is_invisible(c),
                is_line_break(c),
                is_noncharacter(c),
            ];
            assert!(kinds.iter().filter(|it| **it).count() <= 1, "{c:?}");
        }
    }

    #[test]
    fn what_people_type_is_seen() {
        for c in "aé日\u{5E9}\u{915}\u{1F525}\u{FE0F}\u{20E3}\u{301}\u{200F}".chars() {
            assert!(!is_invisible(c) && !is_noncharacter(c), "{c:?}");
        }
    }
}
