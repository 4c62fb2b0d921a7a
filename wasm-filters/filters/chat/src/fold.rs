//! How texts are compared: by the skeletons of their letters (UTS 39), without case, accents and
//! lookalike digits. Skeletons are for comparing. They are never shown, logged or kept.
//!
//! A text becomes runs: a letter, how often it stands there in a row, and what stands before it.

use std::cell::RefCell;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_security::confusable_detection::skeleton;

/// What is between a letter and the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gap {
    /// Nothing.
    Joined,
    /// Signs, as in "b.a.d".
    Signs,
    /// A space, or an apostrophe: "he'll" is not "hell". Also the beginning of the text.
    Space,
}

/// One letter, or more of the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) letter: char,
    pub(crate) count: usize,
    pub(crate) gap: Gap,
    /// Whether one of them is a letter in the text, and no digit or sign that looks like one.
    pub(crate) is_letter: bool,
    /// Where they stand in the text, in bytes.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Capitals have lookalikes of their own, so that there are two ways to fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// Lower case first: right for a capital that is what it seems.
    First,
    /// Skeletons first: right for a capital that stands in for a Latin one.
    Last,
}

/// The ways to fold in which a text can differ. ASCII folds the same in both.
pub(crate) fn cases(text: &str) -> &'static [Case] {
    if text.chars().any(|c| !c.is_ascii() && c.is_uppercase()) {
        &[Case::First, Case::Last]
    } else {
        &[Case::First]
    }
}

/// The runs of a text.
pub(crate) fn runs(text: &str, case: Case) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::with_capacity(text.len());
    for letter in letters(text, case) {
        match runs.last_mut() {
            Some(run) if letter.gap == Gap::Joined && run.letter == letter.letter => {
                run.count += 1;
                run.end = run.end.max(letter.end);
                run.is_letter |= letter.is_letter;
            }
            _ => runs.push(letter),
        }
    }
    runs
}

/// What two texts have in common that say the same: letters without signs, three for more of one.
pub(crate) fn gist(text: &str) -> String {
    let runs = runs(text, Case::First);
    let letters = runs
        .iter()
        .flat_map(|run| std::iter::repeat_n(run.letter, run.count.min(3)));
    letters.collect()
}

/// Runs of one letter each.
fn letters(text: &str, case: Case) -> Vec<Run> {
    let mut letters: Vec<Run> = Vec::with_capacity(text.len());
    let (mut folded, mut gap, mut before) = (Vec::new(), Gap::Space, None);
    let mut takes_marks = false;
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        let end = start + c.len_utf8();
        let after = chars.peek().map(|(_, c)| *c);
        folded.clear();
        match letter_of_sign(c, before, after) {
            Some(letter) => folded.push(letter),
            None if is_combining_mark(c) && !takes_marks => {}
            None => fold(c, case, &mut folded),
        }
        if let Some(letter) = folded.last()
            && !is_combining_mark(c)
        {
            takes_marks = has_marks(c, *letter);
        }
        before = Some(c);
        if folded.iter().copied().any(is_of_word) {
            for letter in folded.drain(..).filter(|it| is_of_word(*it)) {
                // Flags and circles are signs to Unicode, and letters here.
                let is_letter = c.is_alphabetic() || !c.is_ascii() && !c.is_numeric();
                let gap = std::mem::replace(&mut gap, Gap::Joined);
                push(
                    &mut letters,
                    Run {
                        letter,
                        count: 1,
                        gap,
                        is_letter,
                        start,
                        end,
                    },
                );
            }
        } else if c.is_whitespace() || folded.contains(&'\'') {
            gap = Gap::Space;
        } else if !folded.is_empty() {
            gap = gap.max(Gap::Signs);
        } else if let Some(last) = letters.last_mut()
            && gap == Gap::Joined
        {
            // An accent of its own, or something invisible: it belongs to the letter.
            last.end = end;
        }
    }
    letters
}

/// Two letters that look like one become that one: the skeleton of "m" is "rn".
fn push(letters: &mut Vec<Run>, next: Run) {
    if let Some(last) = letters.last_mut()
        && next.gap == Gap::Joined
        && let Some(letter) = ligature(last.letter, next.letter)
    {
        last.letter = letter;
        last.end = next.end;
        last.is_letter |= next.is_letter;
        return;
    }
    letters.push(next);
}

fn ligature(first: char, second: char) -> Option<char> {
    match (first, second) {
        ('r', 'n') => Some('m'),
        ('v', 'v') => Some('w'),
        _ => None,
    }
}

/// Signs that stand in for letters do so beside letters: "@ana" is somebody, "hi!" is a greeting.
fn letter_of_sign(c: char, before: Option<char>, after: Option<char>) -> Option<char> {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '$');
    match c {
        '@' if is_word(before) && is_word(after) => Some('a'),
        '$' if is_word(before) || is_word(after) => Some('s'),
        '!' | '|' if is_word(before) && is_word(after) => Some('i'),
        _ => None,
    }
}

/// Nothing for what is invisible or an accent.
fn fold(c: char, case: Case, folded: &mut Vec<char>) {
    if c.is_ascii() {
        // The same as below would say, without looking it up.
        folded.push(plain(c.to_ascii_lowercase()));
        return;
    }
    FOLDED.with_borrow_mut(|slots| {
        let at = u32::from(c) * 2 + u32::from(case == Case::Last);
        let slot = slots.get_mut(at as usize % SLOTS);
        if let Some(Some(known)) = &slot
            && (known.c, known.case) == (c, case)
        {
            folded.extend(known.letters.into_iter().flatten());
            return;
        }
        let before = folded.len();
        look_up(c, case, folded);
        let mut letters = [None; SLOT_LETTERS];
        let new = folded.get(before..).unwrap_or_default();
        if let Some(slot) = slot
            && new.len() <= SLOT_LETTERS
        {
            for (to, from) in letters.iter_mut().zip(new) {
                *to = Some(*from);
            }
            *slot = Some(Folded { c, case, letters });
        }
    });
}

/// Characters whose letters an instance remembers: a text has few different ones, and to look one
/// up takes a fifth of a microsecond. Each has one place: it is forgotten for another of that place.
const SLOTS: usize = 1_024;

/// More letters than most characters have.
const SLOT_LETTERS: usize = 3;

#[derive(Clone, Copy)]
struct Folded {
    c: char,
    case: Case,
    letters: [Option<char>; SLOT_LETTERS],
}

thread_local! {
    static FOLDED: RefCell<Vec<Option<Folded>>> = RefCell::new(vec![None; SLOTS]);
}

fn look_up(c: char, case: Case, folded: &mut Vec<char>) {
    if let Some(letter) = letter_in_a_box(c) {
        folded.push(plain(letter));
        return;
    }
    let mut push = |c: char| {
        let mut buffer = [0; 4];
        let skeleton = skeleton(c.encode_utf8(&mut buffer));
        folded.extend(
            skeleton
                .flat_map(char::to_lowercase)
                .filter(|c| !is_accent(*c))
                .map(plain),
        );
    };
    for c in std::iter::once(c).nfkd() {
        match case {
            Case::First => c.to_lowercase().for_each(&mut push),
            Case::Last => push(c),
        }
    }
}

/// One for all that look alike beyond what UTS 39 says of lower case.
fn plain(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | 'l' | '|' | 'ı' | 'ɪ' => 'i',
        '3' => 'e',
        '4' | 'ᴀ' => 'a',
        '5' | 'ꜱ' => 's',
        '7' | 'ᴛ' => 't',
        '`' => '\'',
        'ʙ' => 'b',
        'ᴅ' => 'd',
        'ᴇ' | 'ꞓ' => 'e',
        'ꜰ' => 'f',
        'ɢ' => 'g',
        'ʜ' => 'h',
        'ᴊ' => 'j',
        'ĸ' => 'k',
        'ʟ' => 'i',
        'ʍ' => 'm',
        'ɴ' => 'n',
        'ᴘ' => 'p',
        'ʀ' => 'r',
        'ʏ' => 'y',
        _ => c,
    }
}

/// Letters in circles and squares, and those that flags are made of.
fn letter_in_a_box(c: char) -> Option<char> {
    const ALPHABETS: [u32; 4] = [0x1F130, 0x1F150, 0x1F170, 0x1F1E6];
    let index = ALPHABETS.iter().find_map(|first| {
        let index = u32::from(c).checked_sub(*first)?;
        u8::try_from(index).ok().filter(|index| *index < 26)
    })?;
    Some(char::from(b'a' + index))
}

/// Marks beside, above and below a letter, strokes through it, and what goes around it. What makes
/// another letter in the scripts of India and in kana stays.
fn is_accent(c: char) -> bool {
    let encloses = matches!(
        c,
        '\u{488}' | '\u{489}' | '\u{1ABE}' | '\u{20DD}'..='\u{20E0}' | '\u{20E2}'..='\u{20E4}' | '\u{A670}'..='\u{A672}'
    );
    encloses || matches!(canonical_combining_class(c), 1 | 10..)
}

/// Whether marks can make another letter of this one. They cannot in Latin, Greek and Cyrillic, nor
/// of signs: there all are accents, whatever script they come from.
fn has_marks(c: char, folded: char) -> bool {
    // Letters of other scripts can look like Latin ones.
    c.is_alphanumeric() && (folded > '\u{52F}' || matches!(c, '\u{590}'..='\u{1BFF}'))
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(text: &str, case: Case) -> String {
        runs(text, case).iter().map(|run| run.letter).collect()
    }

    #[test]
    fn lookalikes_are_one() {
        for text in [
            "spam",
            "SPAM",
            "sp\u{E4}m",
            "spa\u{301}m",
            "\u{455}p\u{430}m",
            "\u{FF53}\u{FF50}am",
            "5p4m",
            "$p@m",
            "sparn",
            "\u{24E2}pam",
            "\u{1F142}\u{1F17F}am",
            "s\u{200B}pam",
            "\u{1D42C}pam",
            "\u{A731}\u{1D18}\u{1D00}\u{1D0D}",
        ] {
            assert_eq!(folded(text, Case::First), "spam", "{text}");
        }
        // Capitals of other scripts.
        assert_eq!(folded("\u{412}\u{410}D", Case::Last), "bad");
        assert_eq!(folded("IDIOT", Case::First), folded("ldlo7", Case::First));
        assert_eq!(
            folded("\u{413}\u{430}\u{434}", Case::First),
            folded("\u{433}\u{430}\u{434}", Case::First)
        );
    }

    #[test]
    fn gaps_and_runs() {
        let runs = runs("b.aaa d!", Case::First);
        let got: Vec<_> = runs
            .iter()
            .map(|run| (run.letter, run.count, run.gap, run.start, run.end))
            .collect();
        assert_eq!(
            got,
            [
                ('b', 1, Gap::Space, 0, 1),
                ('a', 3, Gap::Signs, 2, 5),
                ('d', 1, Gap::Space, 6, 7)
            ]
        );
        let apostrophe = |text: &str| super::runs(text, Case::First).get(2).map(|run| run.gap);
        assert_eq!(apostrophe("he'll"), Some(Gap::Space));
        assert_eq!(apostrophe("he\u{2019}ll"), Some(Gap::Space));
    }

    #[test]
    fn marks_are_letters_where_they_make_some() {
        for (one, other) in [
            ("\u{915}\u{93E}", "\u{915}"),
            ("\u{E01}\u{E47}", "\u{E01}"),
            ("\u{101D}\u{102C}", "\u{101D}"),
            ("\u{915}\u{200D}\u{93E}", "\u{915}\u{200D}"),
        ] {
            assert_ne!(
                folded(one, Case::First),
                folded(other, Case::First),
                "{one}"
            );
        }
        assert_eq!(folded("b\u{93E}a.\u{E47}\u{20DD}d", Case::First), "bad");
    }

    #[test]
    fn gists() {
        assert_eq!(gist("So goooood!!"), gist("s\u{43E} gooood"));
        assert_ne!(gist("god"), gist("good"));
        assert_eq!(gist("\u{1F525} !"), "");
    }

    /// ASCII is not looked up: this is what would be found.
    #[test]
    fn ascii_folds_as_its_skeleton() {
        for c in 'a'..='z' {
            let skeleton: Vec<char> = skeleton(&c.to_string()).map(plain).collect();
            let folded = folded(&c.to_string(), Case::First);
            match skeleton.as_slice() {
                [letter] => assert_eq!(folded, letter.to_string()),
                [first, second] => assert_eq!(
                    folded,
                    ligature(*first, *second)
                        .map(String::from)
                        .unwrap_or_default()
                ),
                _ => panic!("{c}"),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_remembered_is_what_was_looked_up(chars in prop::collection::vec(any::<char>(), 0..50)) {
            for case in [Case::First, Case::Last, Case::First] {
                for c in chars.iter().filter(|c| !c.is_ascii()) {
                    let (mut remembered, mut found) = (Vec::new(), Vec::new());
                    fold(*c, case, &mut remembered);
                    look_up(*c, case, &mut found);
                    prop_assert_eq!(remembered, found);
                }
            }
        }

        #[test]
        fn runs_stand_where_they_say(text in crate::text::tests::hostile()) {
            for case in [Case::First, Case::Last] {
                let mut last = 0;
                for run in runs(&text, case) {
                    prop_assert!(text.get(run.start..run.end).is_some_and(|it| !it.is_empty()));
                    prop_assert!(run.start >= last && run.count > 0);
                    last = run.start;
                }
            }
        }

        #[test]
        fn a_gist_is_its_own_gist(text in "[a-z0-9 .\u{430}-\u{44f}]{0,40}") {
            let once = gist(&text);
            prop_assert_eq!(gist(&once), gist(&gist(&once)));
        }
    }
}
