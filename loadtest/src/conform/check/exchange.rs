//! What every HTTP answer needs: types, codings, and leave for pages of other sites.

use crate::conform::record::{Answer, Record, Why};
use crate::conform::report::{Check, Finding};
use crate::conform::{ORIGIN, REQUESTED_FIELD};

pub(super) fn check(record: &Record) -> Vec<Finding> {
    vec![
        modern(record),
        range(record),
        ranges(record),
        gzip(record),
        vary(record),
        cors(record, "B1-33-cors"),
        cors(record, "B1-33-cors-errors"),
        exposed(record),
        preflight(record),
        playlist_types(record),
        media_types(record),
    ]
}

fn modern(record: &Record) -> Finding {
    let expected = "HTTP/2 or HTTP/3 is spoken";
    let mut check = Check::must(record, "B1-28-protocol", "B.1", expected);
    let place = Answer {
        path: "/".to_owned(),
        ..Answer::default()
    };
    let why = record.modern.as_ref().err();
    if why.is_none() || record.server.starts_with("https:") {
        check.look(why.is_none(), &place, || why.cloned().unwrap_or_default());
    }
    check.done("browsers speak them over TLS only: ask the https URL")
}

fn range(record: &Record) -> Finding {
    let expected = "a range of a part is answered by 206 with these bytes";
    let mut check = Check::must(record, "B1-29-range", "B.1", expected);
    let ranges = record.loads().any(|(_, load)| {
        load.playlist
            .all()
            .any(|it| it.byte_range.is_some() || it.parts.iter().any(|it| it.byte_range.is_some()))
    });
    for asked in record.of(Why::Range) {
        let body = &asked.answer.body;
        // Of a part that is a byte range itself, no more than that range was asked for.
        let whole = record.of(Why::Again).filter(|_| !ranges);
        let mut whole = whole.filter(|it| it.answer.path == asked.answer.path && it.answer.good());
        let is_piece = whole.all(|whole| whole.answer.body.starts_with(body));
        let says = asked.answer.header("content-range").unwrap_or("");
        // Who lists no byte ranges need not know them: then all of it comes.
        let right = match asked.answer.status {
            206 => body.len() == 64 && says.starts_with("bytes 0-63/") && is_piece,
            status => status == 200 && !ranges,
        };
        check.look(right, &asked.answer, || {
            format!("{} bytes, content-range: {says}", body.len())
        });
    }
    check.done("it was not asked for")
}

fn ranges(record: &Record) -> Finding {
    let expected = "what is listed with a byte range is answered by 206 with these bytes";
    let mut check = Check::must(record, "B1-29-byte-ranges", "B.1", expected);
    for (_, media) in record.media() {
        let segment = &media.segment;
        let parts = segment.parts.iter().zip(&media.parts);
        let parts = parts.map(|(part, answer)| (part.byte_range, answer));
        let others = [
            (segment.byte_range, &media.whole),
            (segment.map_range, &media.init),
        ];
        for (range, answer) in parts.chain(others) {
            let Some(range) = range else { continue };
            let is = u64::try_from(answer.body.len());
            let right = answer.status == 206 && is == Ok(range.length);
            check.look(right, answer, || {
                format!("{} bytes to Range: {}", answer.body.len(), range.field())
            });
        }
    }
    check.done("nothing is listed with a byte range")
}

fn is_gzip(answer: &Answer) -> bool {
    answer
        .header("content-encoding")
        .is_some_and(|it| it.eq_ignore_ascii_case("gzip"))
}

fn gzip(record: &Record) -> Finding {
    let expected = "playlists come as gzip when Accept-Encoding says so";
    let mut check = Check::must(record, "B1-30-gzip", "B.1", expected);
    for asked in record.of(Why::Gzip) {
        let body = &asked.answer.body;
        // RFC 1952: two bytes of magic, the method; at the end the length of what is inside.
        let magic = body.starts_with(&[0x1f, 0x8b, 8]);
        let size = body
            .len()
            .checked_sub(4)
            .and_then(|at| body.get(at..)?.try_into().ok());
        let size = size.map_or(0, u32::from_le_bytes);
        let right = asked.answer.good()
            && is_gzip(&asked.answer)
            && magic
            && usize::try_from(size).is_ok_and(|size| size > body.len() / 4 && size < 4_000_000);
        check.look(right, &asked.answer, || {
            match asked.answer.header("content-encoding") {
                Some(coding) => format!("content-encoding: {coding}, {size} bytes inside"),
                None => "no content-encoding".to_owned(),
            }
        });
    }
    check.done("it was not asked for")
}

fn vary(record: &Record) -> Finding {
    let expected = "what comes as gzip has Vary: Accept-Encoding";
    let mut check = Check::must(record, "B1-33-vary", "RFC 9110 12.5.5", expected);
    for asked in record.of(Why::Gzip).filter(|asked| is_gzip(&asked.answer)) {
        let fields = asked.answer.headers.get_all("vary").iter();
        let vary: Vec<_> = fields.filter_map(|it| it.to_str().ok()).collect();
        let vary = vary.join(",").to_ascii_lowercase();
        let right = vary
            .split(',')
            .any(|it| matches!(it.trim(), "accept-encoding" | "*"));
        check.look(right, &asked.answer, || format!("vary: {vary}"));
    }
    check.done("nothing came as gzip")
}

fn cors(record: &Record, id: &'static str) -> Finding {
    let errors = id == "B1-33-cors-errors";
    let expected = match errors {
        true => "pages of other sites may read errors",
        false => "pages of other sites may read playlists and media",
    };
    let mut check = Check::should(record, id, "Fetch 3.3", expected);
    let answers = match errors {
        true => super::errors(record),
        false => [super::playlists(record), super::medias(record)].concat(),
    };
    for answer in answers {
        let allowed = answer.header("access-control-allow-origin");
        let right = allowed.is_some_and(|it| it == "*" || it == ORIGIN);
        check.look(right, answer, || {
            format!("access-control-allow-origin: {allowed:?}")
        });
    }
    check.done("no such answer came")
}

fn exposed(record: &Record) -> Finding {
    let expected = "pages of other sites may read Age of playlists";
    let mut check = Check::should(record, "B1-33-expose", "Fetch 3.3.3", expected);
    for answer in super::playlists(record) {
        let fields = answer
            .headers
            .get_all("access-control-expose-headers")
            .iter();
        let fields: Vec<_> = fields.filter_map(|it| it.to_str().ok()).collect();
        let fields = fields.join(",").to_ascii_lowercase();
        let right = fields.split(',').any(|it| matches!(it.trim(), "age" | "*"));
        check.look(right, answer, || {
            format!("access-control-expose-headers: {fields}")
        });
    }
    check.done("no playlist came")
}

fn preflight(record: &Record) -> Finding {
    let expected = "pages of other sites may send a field of their own (CORS preflight)";
    let mut check = Check::should(record, "B1-33-preflight", "Fetch 4.8", expected);
    for asked in record.of(Why::Preflight) {
        let answer = &asked.answer;
        let list = |name: &str| {
            let fields = answer.headers.get_all(name).iter();
            let fields: Vec<_> = fields.filter_map(|it| it.to_str().ok()).collect();
            fields.join(",").to_ascii_lowercase()
        };
        let (origin, allowed) = (
            list("access-control-allow-origin"),
            list("access-control-allow-headers"),
        );
        let is_known = |it: &str| matches!(it.trim(), "*" | REQUESTED_FIELD);
        // GET needs no leave of its own.
        let right = (200..300).contains(&answer.status)
            && (origin == "*" || origin == ORIGIN)
            && allowed.split(',').any(is_known);
        check.look(right, answer, || {
            format!(
                "access-control-allow-headers: {allowed}, access-control-allow-origin: {origin}"
            )
        });
    }
    check.done("it was not asked for")
}

/// The media type, which has no case (RFC 9110 section 8.3.1).
fn kind(answer: &Answer) -> String {
    let kind = answer.header("content-type").unwrap_or("(none)");
    kind.split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase()
}

fn playlist_types(record: &Record) -> Finding {
    let expected = "playlists are application/vnd.apple.mpegurl or audio/mpegurl";
    let mut check = Check::must(record, "B1-33-playlist-type", "4", expected);
    for answer in super::playlists(record) {
        let kind = kind(answer);
        let right = ["application/vnd.apple.mpegurl", "audio/mpegurl"].contains(&kind.as_str());
        check.look(right, answer, || kind);
    }
    check.done("no playlist came")
}

fn media_types(record: &Record) -> Finding {
    let expected = "fragmented MP4 is video/mp4 or audio/mp4";
    let mut check = Check::should(record, "B1-33-media-type", "Apple 1", expected);
    let fragmented = record
        .loads()
        .any(|(_, load)| load.playlist.open.map.is_some());
    for answer in super::medias(record).into_iter().filter(|_| fragmented) {
        let kind = kind(answer);
        let right = ["video/mp4", "audio/mp4", "video/iso.segment"].contains(&kind.as_str());
        check.look(right, answer, || kind);
    }
    check.done("no fragmented MP4 came")
}

#[cfg(test)]
mod tests;
