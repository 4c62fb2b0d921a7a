//! What fields have in common that hold lists: `Cache-Control` and its relatives.

use std::time::Duration;

use http::HeaderMap;
use http::header::HeaderName;

/// The largest delta-seconds (RFC 9111 1.2.2): a larger one counts as this.
pub(crate) const DELTA_SECONDS_MAX: u64 = 1 << 31;

/// The members of a list of directives (RFC 9111 5.2), of all its lines: each a name, and perhaps a
/// value with its quotes. A line that is not visible ASCII says nothing.
pub(crate) fn members<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(members_of)
}

/// The same for one line.
pub(crate) fn members_of(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    split_list(text).map(|member| match member.split_once('=') {
        Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
        None => (member, None),
    })
}

/// RFC 9111 4.2.1: of several values the first counts, and one that is no number means stale.
pub(crate) fn first_wins(slot: &mut Option<Duration>, value: Option<&str>) {
    slot.get_or_insert_with(|| value.and_then(seconds).unwrap_or_default());
}

/// The value of a directive: a token or, as RFC 9111 5.2 asks recipients to accept, the same as a
/// quoted string.
pub(crate) fn seconds(value: &str) -> Option<Duration> {
    let digits = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value);
    parse_delta_seconds(digits)
}

/// RFC 9111 1.2.2: digits only; an overflow is a very long time, not an error.
pub(crate) fn parse_delta_seconds(digits: &str) -> Option<Duration> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = digits
        .parse::<u64>()
        .map_or(DELTA_SECONDS_MAX, |s| s.min(DELTA_SECONDS_MAX));
    Some(Duration::from_secs(seconds))
}

/// The members of a comma separated list (RFC 9110 5.6.1), trimmed; commas within quoted strings
/// do not separate.
pub(crate) fn split_list(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |character: char| {
        let separates = character == ',' && !quoted;
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        separates
    })
    .map(|member| member.trim_matches([' ', '\t']))
    .filter(|member| !member.is_empty())
}
