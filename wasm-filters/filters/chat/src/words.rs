//! Lists of words: where a text has one of them, however it is dressed up.

use std::collections::BTreeMap;

use crate::fold::{Case, Gap, Run, cases, runs};

/// Longest word or phrase, in code points.
pub(crate) const WORD_CHARS_MAX: usize = 64;

/// A letter this often in a row stands for any number of it: "spaaaam".
const DRAWN_OUT: usize = 3;

/// What is masked can leave a word behind that was apart before. More often than this, all is masked.
const MASK_PASSES_MAX: usize = 8;

/// What becomes of a message with the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Block,
    Hold,
    Mask,
}

/// All lists, by the first letter of the words.
#[derive(Debug, Default)]
pub(crate) struct Words(BTreeMap<char, Vec<Word>>);

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) block: bool,
    pub(crate) hold: bool,
    /// Where, in bytes.
    pub(crate) masks: Vec<(usize, usize)>,
}

#[derive(Debug, PartialEq, Eq)]
struct Word {
    letters: Vec<Letter>,
    list: List,
    /// Whether letters may stand before it, after it.
    open_start: bool,
    open_end: bool,
    /// Not only digits.
    has_letter: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Letter {
    letter: char,
    count: usize,
    /// Begins the next word of a phrase.
    spaced: bool,
}

impl Words {
    /// `bad` is the word, `bad*` what begins with it, `*bad*` what it is in; a phrase has spaces.
    /// Words of scripts without spaces are found anywhere.
    pub(crate) fn add(&mut self, list: List, word: &str) -> Result<(), &'static str> {
        if word.chars().count() > WORD_CHARS_MAX {
            return Err("is too long");
        }
        let bare = word.trim_matches('*');
        let unspaced = bare.chars().any(is_unspaced);
        let (open_start, open_end) = (
            unspaced || word.starts_with('*'),
            unspaced || word.ends_with('*'),
        );
        let capitals = bare.to_uppercase();
        let forms = [
            (bare, Case::First),
            (bare, Case::Last),
            (capitals.as_str(), Case::Last),
        ];
        // ASCII has one form.
        let count = if bare.is_ascii() { 1 } else { forms.len() };
        for (form, case) in forms.into_iter().take(count) {
            let runs = runs(form, case);
            let first = runs.first().ok_or("has no letters")?.letter;
            let word = Word {
                has_letter: runs.iter().any(|run| run.is_letter),
                letters: runs.iter().enumerate().map(Letter::new).collect(),
                list,
                open_start,
                open_end,
            };
            let known = self.0.entry(first).or_default();
            // Most words have one form whichever way they are folded.
            if known.last() != Some(&word) {
                known.push(word);
            }
        }
        Ok(())
    }

    /// Looks for all of them.
    pub(crate) fn scan(&self, text: &str, found: &mut Found) {
        if self.0.is_empty() {
            return;
        }
        for case in cases(text) {
            let runs = runs(text, *case);
            for at in 0..runs.len() {
                self.scan_at(&runs, at, found);
            }
        }
    }

    fn scan_at(&self, runs: &[Run], at: usize, found: &mut Found) {
        let Some(first) = runs.get(at) else { return };
        for word in self.0.get(&first.letter).into_iter().flatten() {
            let Some(end) = word.ends(runs, at) else {
                continue;
            };
            match word.list {
                List::Block => found.block = true,
                List::Hold => found.hold = true,
                List::Mask => found.masks.push((first.start, end)),
            }
        }
    }

    /// Covers what is to be masked, until nothing is left.
    pub(crate) fn mask(&self, text: &str, found: Found) -> String {
        let mut text = covered(text, &found.masks);
        for _ in 0..MASK_PASSES_MAX {
            let mut found = Found::default();
            self.scan(&text, &mut found);
            if found.masks.is_empty() {
                return text;
            }
            text = covered(&text, &found.masks);
        }
        covered(&text, &[(0, text.len())])
    }
}

impl Letter {
    fn new((at, run): (usize, &Run)) -> Self {
        Self {
            letter: run.letter,
            count: run.count,
            spaced: at > 0 && run.gap == Gap::Space,
        }
    }
}

impl Word {
    /// Where in the text it ends, if it begins at a run.
    fn ends(&self, runs: &[Run], at: usize) -> Option<usize> {
        let first = runs.get(at)?;
        let starts_token = first.gap != Gap::Joined;
        if !(self.open_start || starts_token) || at > 0 && splits(runs.get(at - 1)?, first) {
            return None;
        }
        // Letters with spaces between them, as in "b a d", are a word if each stands alone.
        let (mut spaced, mut joined, mut is_letter) = (false, false, false);
        let mut next = at;
        for (index, letter) in self.letters.iter().enumerate() {
            let mut count = 0;
            while count < letter.count {
                let run = runs.get(next).filter(|run| run.letter == letter.letter)?;
                if letter.spaced && count == 0 {
                    if run.gap == Gap::Joined {
                        return None;
                    }
                } else if next > at {
                    spaced |= run.gap == Gap::Space;
                    joined |= run.gap == Gap::Joined;
                }
                count += run.count;
                is_letter |= run.is_letter;
                next += 1;
            }
            let at_edge =
                index == 0 && self.open_start || index + 1 == self.letters.len() && self.open_end;
            if count > letter.count && count < DRAWN_OUT && !at_edge {
                return None;
            }
        }
        let last = runs.get(next - 1)?;
        let ends_token = runs.get(next).is_none_or(|run| run.gap != Gap::Joined);
        let alone = !joined && starts_token && ends_token;
        let fits = (ends_token || self.open_end)
            && (alone || !spaced)
            // A number is not a word because its digits look like one, and a word is no number.
            && is_letter == self.has_letter
            && runs.get(next).is_none_or(|run| !splits(last, run));
        fits.then_some(last.end)
    }
}

/// Whether both are parts of one character, as of a Korean syllable.
fn splits(before: &Run, after: &Run) -> bool {
    after.start < before.end
}

/// Han, kana, Hangul (whose particles are joined), Thai, Lao, Myanmar, Khmer.
fn is_unspaced(c: char) -> bool {
    matches!(
        c,
        '\u{E00}'..='\u{EFF}'
            | '\u{1000}'..='\u{109F}'
            | '\u{1100}'..='\u{11FF}'
            | '\u{1780}'..='\u{17FF}'
            | '\u{3040}'..='\u{30FF}'
            | '\u{3400}'..='\u{9FFF}'
            | '\u{AC00}'..='\u{D7AF}'
            | '\u{F900}'..='\u{FAFF}'
            | '\u{20000}'..='\u{3FFFF}'
    )
}

fn covered(text: &str, ranges: &[(usize, usize)]) -> String {
    let is_covered = |at: usize| {
        ranges
            .iter()
            .any(|(start, end)| (*start..*end).contains(&at))
    };
    let chars = text.char_indices();
    chars
        .map(|(at, c)| {
            if is_covered(at) && !c.is_whitespace() {
                '*'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(list: List, words: &[&str]) -> Words {
        let mut all = Words::default();
        for word in words {
            all.add(list, word).expect(word);
        }
        all
    }

    fn has(words: &Words, text: &str) -> bool {
        let mut found = Found::default();
        words.scan(text, &mut found);
        found.block
    }

    #[test]
    fn words_are_found_however_they_are_written() {
        let list = words(
            List::Block,
            &["bad", "ass", "idiot", "m\u{442}s", "go away", "1488"],
        );
        for text in [
            "bad",
            "so BAD!",
            "b.a.d",
            "b a d",
            "(b-a-d)",
            "ba.d",
            "b4d",
            "b\u{200B}ad",
            "b\u{E4}d",
            "baaaad",
            "b\u{0430}d",
            "\u{412}\u{410}D",
            "a.s.s",
            "a$$",
            "a s s",
            "ASSSS",
            "ldl0t",
            "1D10T",
            "hello,b.a.d",
            "go   away",
            "g o a w a y",
            "1488",
            "x: 1488!",
            "rn\u{442}s",
            "@bad",
            "b\u{1F525}a\u{1F525}d",
            "\u{1F1E7}\u{1F1E6}\u{1F1E9}",
            "bad's",
            "b\u{20DD}a\u{20DD}d\u{20DD}",
            "b\u{20E0}ad",
            "b\u{20E3}a\u{20E4}d",
            "b\u{488}ad\u{489}",
            "ba\u{A670}d\u{A672}",
            "ba\u{E47}d",
            "b\u{1DC0}a\u{730}d",
            "\u{412}\u{E47}\u{410}\u{A9B8}D",
            "m\u{E34}\u{442}s",
        ] {
            assert!(has(&list, text), "{text}");
        }
        for text in [
            "badly", "abad", "baad", "class", "455", "I8", "god", "b add", "ba d", "pass", "as",
            "ago away", "iabb", "b", "",
        ] {
            assert!(!has(&list, text), "{text}");
        }
        assert!(!has(
            &words(List::Block, &["hell", "well"]),
            "he'll say we\u{2019}ll go"
        ));
    }

    #[test]
    fn parts_of_words() {
        let list = words(List::Block, &["pre*", "*mid*", "*end"]);
        for (text, expected) in [
            ("prefix", true),
            ("pre", true),
            ("spree", false),
            ("amidst", true),
            ("x.m.i.d.x", true),
            ("bend", true),
            ("ended", false),
            ("preeeach", true),
        ] {
            assert_eq!(has(&list, text), expected, "{text}");
        }
        // Scripts without spaces need no stars. A syllable is not taken apart.
        let list = words(List::Block, &["\u{574F}\u{4EBA}", "\u{BC14}\u{BCF4}"]);
        assert!(has(&list, "\u{4F60}\u{662F}\u{574F}\u{4EBA}\u{5417}"));
        assert!(has(&list, "\u{BC14}\u{BCF4}\u{B2E4}"));
        assert!(!has(&list, "\u{BC14}\u{BCF5}"));
    }

    #[test]
    fn words_need_letters() {
        let mut all = Words::default();
        assert_eq!(all.add(List::Block, "..."), Err("has no letters"));
        assert_eq!(all.add(List::Block, "**"), Err("has no letters"));
        assert_eq!(all.add(List::Block, &"a".repeat(65)), Err("is too long"));
    }

    fn masked(words: &Words, text: &str) -> String {
        let mut found = Found::default();
        words.scan(text, &mut found);
        words.mask(text, found)
    }

    #[test]
    fn masks_cover_the_word_and_nothing_else() {
        let list = words(List::Mask, &["spam", "ham"]);
        assert_eq!(
            masked(&list, "Spaaam, h\u{E1}m and eggs"),
            "******, *** and eggs"
        );
        assert_eq!(masked(&list, "s.p.a.m s p a m"), "******* * * * *");
        // What the mask of one word brings together.
        assert_eq!(masked(&list, "s.ham.pam"), "*********");
    }

    proptest! {
        #[test]
        fn nothing_is_left_under_a_mask(text in "[sSpаam4rn.\\- b\u{200b}\u{301}]{0,40}", hostile in crate::text::tests::hostile()) {
            let list = words(List::Mask, &["spam", "*ab*", "b a", "c"]);
            for text in [text, hostile] {
                let masked = masked(&list, &text);
                let mut found = Found::default();
                list.scan(&masked, &mut found);
                prop_assert_eq!(found, Found::default());
                prop_assert_eq!(masked.chars().count(), text.chars().count());
            }
        }
    }
}
