//! A field that is refused changes nothing; reading what is good twice says the same; a query says what the field
//! says that it encodes.
#![no_main]

use std::fmt::Write as _;

use cmcd::Report;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut report = Report::default();
    if report.read(bytes).is_err() {
        assert_eq!(report, Report::default());
    } else {
        assert!(report.wrong <= report.keys);
        let mut again = Report::default();
        assert!(again.read(bytes).is_ok());
        assert_eq!(again, report);
    }
    let mut query = String::from("a=b&CMCD=");
    for byte in bytes {
        let _ = write!(query, "%{byte:02X}");
    }
    let mut asked = Report::default();
    match asked.read_query(&query) {
        Ok(found) => assert!(found),
        Err(_) => assert_eq!(asked, Report::default()),
    }
    assert_eq!(asked, report);
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = Report::default().read_query(text);
    }
});
