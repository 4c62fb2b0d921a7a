//! `Accept-Encoding` (RFC 9110 section 12.5.3), reduced to what Weir can answer with.

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

use super::Coding;

/// A weight in thousandths: 0 is a refusal (RFC 9110 section 12.4.2).
type Weight = u16;

const WEIGHT_MAX: Weight = 1000;

/// What the field says of the codings that matter here.
#[derive(Clone, Copy, Debug, Default)]
struct Accepted {
    gzip: Option<Weight>,
    identity: Option<Weight>,
    zstd: Option<Weight>,
    any: Option<Weight>,
}

/// The coding to answer with: of `offered`, best first, the one of the highest weight; identity if
/// the client takes none of them, or likes it better.
///
/// Without the field, or with what cannot be read, the answer is identity: everybody can read it.
/// So it is for a client that refuses identity and takes none of `offered`: an answer that it may
/// be unable to read is worth more to it than a 406 (RFC 9110 section 12.5.3 allows both).
pub fn negotiate(request: &HeaderMap, offered: &[Coding]) -> Coding {
    let accepted = Accepted::of(request);
    // Identity is taken unless it is refused, but liked only where it is named.
    let mut best = (Coding::Identity, 0);
    for coding in offered {
        let weight = accepted.weight(*coding);
        if weight > best.1 {
            best = (*coding, weight);
        }
    }
    if accepted.identity > Some(best.1) {
        return Coding::Identity;
    }
    best.0
}

impl Accepted {
    fn of(request: &HeaderMap) -> Self {
        let mut accepted = Self::default();
        let lines = request.get_all(ACCEPT_ENCODING).iter();
        let members = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','));
        for member in members {
            let mut pieces = member.split(';').map(str::trim);
            let place = match pieces.next().unwrap_or_default() {
                "*" => &mut accepted.any,
                name if is(name, "gzip") || is(name, "x-gzip") => &mut accepted.gzip,
                name if is(name, "identity") => &mut accepted.identity,
                name if is(name, "zstd") => &mut accepted.zstd,
                _ => continue,
            };
            *place = weight_of(pieces);
        }
        accepted
    }

    fn weight(&self, coding: Coding) -> Weight {
        let named = match coding {
            Coding::Gzip => self.gzip,
            Coding::Identity => self.identity,
            Coding::Zstd => self.zstd,
        };
        named.or(self.any).unwrap_or_default()
    }
}

fn is(name: &str, coding: &str) -> bool {
    name.eq_ignore_ascii_case(coding)
}

/// The weight among the parameters of a member; what is no weight refuses the coding.
fn weight_of<'a>(mut parameters: impl Iterator<Item = &'a str>) -> Option<Weight> {
    let weight = parameters.find_map(|it| it.strip_prefix("q=").or_else(|| it.strip_prefix("Q=")));
    Some(weight.map_or(WEIGHT_MAX, |text| thousandths(text).unwrap_or_default()))
}

/// `qvalue`: 0 to 1, with up to three decimals.
fn thousandths(text: &str) -> Option<Weight> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if decimals.len() > 3 || !is_number(decimals) {
        return None;
    }
    let whole: Weight = match whole {
        "0" => 0,
        "1" => WEIGHT_MAX,
        _ => return None,
    };
    let decimals: Weight = format!("{decimals:0<3}").parse().ok()?;
    Some(whole + decimals).filter(|weight| *weight <= WEIGHT_MAX)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn negotiated(lines: &[&str], offered: &[Coding]) -> Coding {
        let mut request = HeaderMap::new();
        for line in lines {
            request.append(ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap());
        }
        negotiate(&request, offered)
    }

    #[test]
    fn the_field_and_the_coding() {
        use Coding::{Gzip, Identity, Zstd};
        for (field, expect) in [
            // Chromium and Firefox; Safari; curl --compressed; wget.
            ("gzip, deflate, br, zstd", Zstd),
            ("gzip, deflate, br", Gzip),
            ("deflate, gzip", Gzip),
            ("identity", Identity),
            ("", Identity),
            ("br", Identity),
            ("*", Zstd),
            ("GZip", Gzip),
            ("x-gzip", Gzip),
            ("gzip;q=1, zstd;q=0.9", Gzip),
            ("gzip;q=0.5, zstd;q=0.5", Zstd),
            ("gzip ; q=0.8 , zstd;q=0.001", Gzip),
            ("*;q=0.1, zstd;q=0", Gzip),
            ("*;q=0", Identity),
            ("gzip;q=0", Identity),
            ("gzip;q=0.0, zstd;q=0.000", Identity),
            ("gzip;q=0.5, identity", Identity),
            ("gzip;q=0.5, identity;q=0.5", Gzip),
            ("gzip;q=0.2, identity;q=0", Gzip),
            ("identity;q=0", Identity),
            ("identity;q=0, *", Zstd),
            ("identity;q=0, br", Identity),
            ("gzip;q=2", Identity),
            ("gzip;q=-1", Identity),
            ("gzip;q=0.1234", Identity),
            ("gzip;q=1.001", Identity),
            ("gzip;q=", Identity),
            ("gzip;q=0.+5", Identity),
            ("gzip;level=9;q=0.5", Gzip),
            (",,gzip,,", Gzip),
        ] {
            assert_eq!(negotiated(&[field], &[Zstd, Gzip]), expect, "{field}");
        }
        assert_eq!(negotiated(&[], &[Zstd, Gzip]), Identity);
        assert_eq!(negotiated(&["br", "gzip"], &[Zstd, Gzip]), Gzip);
        assert_eq!(negotiated(&["gzip, br, zstd"], &[Gzip]), Gzip);
        assert_eq!(negotiated(&["zstd"], &[Gzip]), Identity);
    }
}
