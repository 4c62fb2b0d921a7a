//! What moderators do.

use rand::{Rng, rngs::StdRng};
use rooms::schema::{Act, Attr, Roles, SettingsPatch};

pub(crate) fn act(rng: &mut StdRng, ids: &[String], reviews: &[String]) -> Act {
    if !reviews.is_empty() && rng.random_bool(0.2) {
        let recent = reviews.len().saturating_sub(10);
        let id = reviews[rng.random_range(recent..reviews.len())].clone();
        return if rng.random_bool(0.7) {
            Act::Approve { id }
        } else {
            Act::Dismiss { id }
        };
    }
    let user = format!("user-{}", rng.random_range(0..16));
    let recent = ids.len().saturating_sub(30);
    let id = if ids.is_empty() {
        "none".to_owned()
    } else {
        ids[rng.random_range(recent..ids.len())].clone()
    };
    match rng.random_range(0..20) {
        0..4 => Act::DeleteMessage { id },
        4 | 5 => Act::DeleteUser { user },
        6 => Act::Clear,
        7 | 8 => Act::Timeout {
            user,
            seconds: rng.random_range(1..4),
            until_ms: 0,
        },
        9 => Act::Ban { user },
        10 => Act::ShadowBan { user },
        11 | 12 => Act::Unban { user },
        13 => Act::ShadowUnban { user },
        14..17 => Act::Pin { id, message: None },
        17 => Act::Unpin,
        _ => Act::Settings {
            patch: SettingsPatch {
                slow_mode_ms: Some(rng.random_range(0..5) * 1_000),
                restrict: rng.random_bool(0.1).then_some(Roles::SUBSCRIBER),
                chat_per_second_max: Some([0, 0, 3, 20][rng.random_range(0..4)]),
                attrs: vec![Attr {
                    key: "emote_only".to_owned(),
                    value: ["", "on"][rng.random_range(0..2)].to_owned(),
                }],
            },
        },
    }
}
