//! `Vary` and the secondary key (RFC 9111 4.1).

use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, HeaderMap, HeaderName, VARY};

use crate::syntax::split_list;

/// Fields that one response may vary with; one that names more is as `*`.
pub const VARY_FIELDS_MAX: usize = 16;

/// The fields of requests that a response was chosen by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Vary {
    fields: Vec<HeaderName>,
    any: bool,
}

/// What a request has in the fields of a [`Vary`], in a normal form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SecondaryKey(Vec<Option<Vec<u8>>>);

impl Vary {
    /// Reads every line. What is no field's name makes it `*`: nobody knows what it meant.
    pub fn of(response: &HeaderMap) -> Self {
        let mut vary = Self::default();
        for line in response.get_all(VARY) {
            let Ok(text) = line.to_str() else {
                vary.any = true;
                continue;
            };
            for name in split_list(text) {
                match name.parse::<HeaderName>() {
                    Ok(name) if name != "*" && vary.fields.len() < VARY_FIELDS_MAX => {
                        vary.fields.push(name);
                    }
                    _ => vary.any = true,
                }
            }
        }
        vary.fields
            .sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        vary.fields.dedup();
        vary
    }

    /// Whether no request matches, not even the same again.
    pub fn is_any(&self) -> bool {
        self.any
    }

    /// The fields, sorted.
    pub fn fields(&self) -> &[HeaderName] {
        &self.fields
    }

    /// The key of a request.
    pub fn key(&self, request: &HeaderMap) -> SecondaryKey {
        SecondaryKey(
            self.fields
                .iter()
                .map(|name| normal(request, name))
                .collect(),
        )
    }

    /// Whether a response that was stored under `key` answers `request`.
    ///
    /// One in the language that the client wants most does so, whatever else either of the two
    /// took (`content_language`: of the stored response).
    pub fn matches(
        &self,
        key: &SecondaryKey,
        request: &HeaderMap,
        content_language: Option<&str>,
    ) -> bool {
        if self.any || key.0.len() != self.fields.len() {
            return false;
        }
        self.fields.iter().zip(&key.0).all(|(name, stored)| {
            normal(request, name) == *stored
                || (*name == ACCEPT_LANGUAGE
                    && content_language.is_some_and(|language| wants_most(request, language)))
        })
    }
}

/// The lines of a field as one value without what means nothing.
fn normal(request: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    if !request.contains_key(name) {
        return None;
    }
    let mut lines = Vec::new();
    for line in request.get_all(name) {
        match line.to_str() {
            Ok(text) => lines.push(text),
            // Not text: every byte counts.
            Err(_) => {
                let lines = request.get_all(name).iter();
                return Some(
                    lines
                        .flat_map(|line| [line.as_bytes(), b"\n"].concat())
                        .collect(),
                );
            }
        }
    }
    let members = lines.iter().copied().flat_map(split_list);
    let text = if *name == ACCEPT_ENCODING {
        codings(members)
    } else if *name == ACCEPT_LANGUAGE {
        let mut languages = preferences(members);
        languages.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let written = languages
            .iter()
            .map(|(tag, weight)| format!("{tag};{weight}"));
        written.collect::<Vec<_>>().join(",")
    } else {
        members.collect::<Vec<_>>().join(",")
    };
    Some(text.into_bytes())
}

/// The codings that a client takes, and whether it refuses identity. Which of them it likes best
/// is left to the origin, whose choice any of them can read.
fn codings<'a>(members: impl Iterator<Item = &'a str>) -> String {
    let mut taken = Vec::new();
    for (coding, weight) in preferences(members) {
        let refused = weight == 0;
        if coding == "identity" || coding == "*" {
            if refused {
                taken.push(format!("{coding};0"));
            } else if coding == "*" {
                taken.push(coding);
            }
        } else if !refused {
            taken.push(
                coding
                    .strip_prefix("x-")
                    .map(str::to_owned)
                    .unwrap_or(coding),
            );
        }
    }
    taken.sort_unstable();
    taken.dedup();
    taken.join(",")
}

/// Each member's name in lower case, and its weight in thousandths (RFC 9110 12.4.2).
fn preferences<'a>(members: impl Iterator<Item = &'a str>) -> Vec<(String, u16)> {
    let weight = |parameters: &str| {
        let (name, value) = parameters.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then_some(())?;
        thousandths(value.trim())
    };
    members
        .map(|member| match member.split_once(';') {
            Some((name, parameters)) => (name.trim(), weight(parameters).unwrap_or(1000)),
            None => (member, 1000),
        })
        .map(|(name, weight)| (name.to_ascii_lowercase(), weight))
        .collect()
}

fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    let whole: u16 = whole.parse().ok()?;
    (whole <= 1).then(|| (whole * 1000 + fraction).min(1000))
}

/// Whether the client wants `language` more than any other.
fn wants_most(request: &HeaderMap, language: &str) -> bool {
    let lines = request.get_all(ACCEPT_LANGUAGE).iter();
    let members = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(split_list);
    let languages = preferences(members);
    let most = languages
        .iter()
        .map(|(_, weight)| *weight)
        .max()
        .unwrap_or_default();
    let mut first = languages.iter().filter(|(_, weight)| *weight == most);
    match (first.next(), first.next()) {
        (Some((tag, 1..)), None) => tag.eq_ignore_ascii_case(language.trim()),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
