//! The rules, as pure functions from a [`Record`] to [`Finding`]s, in the order of the checklist.

mod cache;
mod delta;
mod directives;
mod ended;
mod exchange;
#[cfg(test)]
mod fixture;
mod hints;
mod media;
mod parts;
mod priority;
mod renditions;
mod tags;
mod timing;
mod unseen;
mod window;

use super::record::{Answer, Load, Record};
use super::report::Finding;

/// Seconds by which decimals may differ from what they are written for.
const ROUNDING: f64 = 0.002;

/// Every finding, by id.
pub fn all(record: &Record) -> Vec<Finding> {
    let groups: [fn(&Record) -> Vec<Finding>; 14] = [
        tags::check,
        parts::check,
        window::check,
        renditions::check,
        timing::check,
        directives::check,
        ended::check,
        delta::check,
        hints::check,
        exchange::check,
        cache::check,
        priority::check,
        media::check,
        unseen::check,
    ];
    let mut findings: Vec<Finding> = groups.iter().flat_map(|check| check(record)).collect();
    findings.sort_by_key(|finding| finding.id);
    findings
}

/// All answers that are Media Playlists.
fn playlists(record: &Record) -> Vec<&Answer> {
    let deltas = record
        .deltas
        .iter()
        .flat_map(|pair| [&pair.full, &pair.update]);
    let loads = record.loads().map(|(_, load)| load).chain(deltas);
    let asked = record.gets().filter(|asked| is_playlist(&asked.answer));
    let asked = asked
        .map(|asked| &asked.answer)
        .filter(|answer| answer.good());
    loads.map(|load: &Load| &load.answer).chain(asked).collect()
}

/// All answers that are media.
fn medias(record: &Record) -> Vec<&Answer> {
    let fetched = record
        .media()
        .flat_map(|(_, media)| media.parts.iter().chain([&media.init, &media.whole]));
    let asked = record.gets().map(|asked| &asked.answer);
    let asked = asked.filter(|answer| !is_playlist(answer));
    fetched
        .chain(asked)
        .filter(|answer| answer.good())
        .collect()
}

/// All answers that are errors.
fn errors(record: &Record) -> Vec<&Answer> {
    let asked = record.gets().map(|asked| &asked.answer);
    let failed = record.watches.iter().flat_map(|watch| &watch.failed);
    asked
        .chain(failed)
        .filter(|answer| answer.status >= 400)
        .collect()
}

fn is_playlist(answer: &Answer) -> bool {
    let path = answer.path.split('?').next().unwrap_or("");
    path.ends_with(".m3u8") || path.ends_with(".m3u")
}

/// Whether the request had a blocking directive.
fn is_blocking(answer: &Answer) -> bool {
    answer.path.contains("_HLS_msn=")
}
