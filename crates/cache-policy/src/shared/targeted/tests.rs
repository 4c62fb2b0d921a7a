use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn of(name: &HeaderName, lines: &[&str]) -> Option<ResponseDirectives> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(name, HeaderValue::from_str(line).unwrap());
    }
    match targeted(&headers, &[CDN_CACHE_CONTROL, SURROGATE_CONTROL], "weir") {
        Targeted::Directives(directives) => Some(directives),
        Targeted::Nothing => None,
    }
}

fn cdn(lines: &[&str]) -> Option<ResponseDirectives> {
    of(&CDN_CACHE_CONTROL, lines)
}

const fn s(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

#[test]
fn a_dictionary_is_read() {
    let read = cdn(&["max-age=60, must-revalidate;a=\"x\", no-cache=?0, x=(a 1;b \"c\")"]).unwrap();
    assert_eq!(read.max_age, s(60));
    assert!(read.must_revalidate && !read.no_cache);
    assert_eq!(cdn(&["max-age=60", "max-age=5"]).unwrap().max_age, s(5));
    assert!(cdn(&["no-store=?1"]).unwrap().no_store);
    let named = cdn(&["private=\"set-cookie\", d=1.5, e=:AA==:, f=@17, g=tok/en"]).unwrap();
    assert_eq!(named.fields_not_kept, [http::header::SET_COOKIE]);
}

#[test]
fn one_error_makes_all_of_it_void() {
    for bad in [
        "max-age=60,",
        "max-age=60,,no-store",
        "max-age =60",
        "max-age= 60",
        "MAX-AGE=60",
        "max-age=60 no-store",
        "max-age=\"60",
        "max-age=1234567890123456",
        "max-age=1.2345",
        "a=(b c",
        "a=?2",
        "a='b'",
        "",
        " ",
    ] {
        assert_eq!(cdn(&[bad]), None, "{bad:?}");
    }
}

#[test]
fn values_of_the_wrong_type_are_left_out() {
    let read = cdn(&["max-age=\"60\", s-maxage=-5, no-store=1, public"]).unwrap();
    assert_eq!((read.max_age, read.s_maxage), (None, None));
    assert!(!read.no_store && read.public);
}

#[test]
fn surrogates_take_what_is_meant_for_them() {
    let read = |line| of(&SURROGATE_CONTROL, &[line]);
    assert_eq!(read("foobar, MaX-aGe=36").unwrap().max_age, s(36));
    assert_eq!(read("max-age=36;weir").unwrap().max_age, s(36));
    assert_eq!(read("max-age=36;other"), None);
    assert_eq!(read("content=\"ESI/1.0\""), None);
    assert!(read("no-store").unwrap().no_store);
    let both = read("max-age=9;other, max-age=36+5").unwrap();
    assert_eq!((both.max_age, both.stale_if_error), (s(36), s(5)));
    assert_eq!(read("max-age=99999999999").unwrap().max_age, s(1 << 31));
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "[ -~\t]{0,60}") {
        let _ = cdn(&[&text]);
        let _ = of(&SURROGATE_CONTROL, &[&text]);
    }
}
