//! Who a message speaks to: `@name`.

/// Longest name that can be mentioned, in code points.
const NAME_CHARS_MAX: usize = 64;

/// What a room takes as the value of an attribute.
const ATTR_BYTES_MAX: usize = 512;

/// The first `most` names, each once, as a JSON list of what was typed; none if there are none.
pub(crate) fn mentions(text: &str, most: usize) -> Option<String> {
    let mut names: Vec<String> = Vec::new();
    let mut json = None;
    for name in names_in(text) {
        if names.len() == most {
            break;
        }
        if names
            .iter()
            .any(|known| known.to_lowercase() == name.to_lowercase())
        {
            continue;
        }
        names.push(name.to_owned());
        let longer = serde_json::json!(names).to_string();
        if longer.len() > ATTR_BYTES_MAX {
            break;
        }
        json = Some(longer);
    }
    json
}

/// `@` within a word, as in an address, is no mention.
fn names_in(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.char_indices().scan(' ', |before, (at, c)| {
        let starts = c == '@' && !is_of_name(*before);
        *before = c;
        Some(starts.then_some(at + c.len_utf8()))
    });
    starts.flatten().filter_map(|start| {
        let rest = text.get(start..)?;
        let end = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
        // The full stop after a name is not of it.
        let name = rest.get(..end)?.trim_end_matches(['.', '-']);
        (1..=NAME_CHARS_MAX)
            .contains(&name.chars().count())
            .then_some(name)
    })
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names() {
        for (text, expected) in [
            ("hi @ana, @Bo.b. and @ANA", Some(r#"["ana","Bo.b"]"#)),
            ("(@\u{5218})@x", Some(r#"["\u{5218}","x"]"#)),
            ("me@example.com", None),
            ("@ @- nobody", None),
            ("@a@b", Some(r#"["a"]"#)),
            ("@a @b @c @d", Some(r#"["a","b","c"]"#)),
        ] {
            let expected = expected.map(|it| it.replace("\\u{5218}", "\u{5218}"));
            assert_eq!(mentions(text, 3), expected, "{text}");
        }
        assert_eq!(mentions("@a", 0), None);
    }

    proptest! {
        #[test]
        fn they_fit(text in "(@[\u{4e00}-\u{4e10}a-z]{0,70} ?){0,20}", any in any::<String>()) {
            for text in [text, any] {
                prop_assert!(mentions(&text, 16).is_none_or(|it| it.len() <= ATTR_BYTES_MAX));
            }
        }
    }
}
