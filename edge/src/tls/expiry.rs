use std::time::{Duration, SystemTime};

use transport::tls::Identity;

/// A certificate with less than this left, or less than a third of its life, is about to expire.
const SOON: Duration = Duration::from_secs(14 * DAY_SECONDS);
const DAY_SECONDS: u64 = 24 * 3600;

/// What is to be said of a certificate's age, if anything.
pub(super) fn warning(identity: &Identity, now: SystemTime) -> Option<String> {
    of(identity.not_before(), identity.not_after(), now)
}

fn of(not_before: SystemTime, not_after: SystemTime, now: SystemTime) -> Option<String> {
    let Ok(left) = not_after.duration_since(now) else {
        return Some("has expired".to_owned());
    };
    if not_before > now {
        return Some("is not valid yet".to_owned());
    }
    let life = not_after.duration_since(not_before).unwrap_or_default();
    // Certificates that live for six days are not renewed two weeks before.
    if left >= SOON.min(life / 3) {
        return None;
    }
    Some(match left.as_secs() / DAY_SECONDS {
        0 => "expires within a day".to_owned(),
        1 => "expires in a day".to_owned(),
        days => format!("expires in {days} days"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_comes_in_time() {
        let at = |days: f64| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(days * 86_400.0);
        let said = |begin, end, now| of(at(begin), at(end), at(now)).unwrap_or_default();
        assert_eq!(said(10.0, 100.0, 50.0), "");
        assert_eq!(said(10.0, 100.0, 85.9), "");
        assert_eq!(said(10.0, 100.0, 86.1), "expires in 13 days");
        assert_eq!(said(10.0, 100.0, 99.5), "expires within a day");
        assert_eq!(said(10.0, 100.0, 100.5), "has expired");
        assert_eq!(said(10.0, 100.0, 9.0), "is not valid yet");
        assert_eq!(said(10.0, 16.0, 13.9), "");
        assert_eq!(said(10.0, 16.0, 14.1), "expires in a day");
    }
}
