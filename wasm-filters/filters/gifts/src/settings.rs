//! What the operator sells: the manifest's `config`, read once for each instance.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, de};

use crate::note::is_plain;
use crate::weir::filter::types::Roles;

/// Most items of a catalogue: a page shows all of them.
const ITEMS_MAX: usize = 200;
/// What JavaScript counts exactly: a page shows prices.
const PRICE_MAX: u64 = (1 << 53) - 1;
const COUNT_MAX: u32 = 1_000_000;
const COMBO_WINDOW_MS_MAX: u32 = 60_000;
const DURATION_MS_MAX: u32 = 60_000;
/// A room takes 2000 bytes.
const NOTE_CHARS_MAX: usize = 500;
const TAPS_BURST_MAX: u32 = 1_000;
const TAPS_PER_MINUTE_MAX: u32 = 6_000;
/// Of an item. Rooms take 128 bytes.
const ID_BYTES_MAX: usize = 64;
const NAME_CHARS_MAX: usize = 40;
/// The longest emoji in use are families and flags of 28 bytes.
const EMOJI_BYTES_MAX: usize = 32;
/// What plans are taken with.
const ASSET_BYTES_MAX: usize = 256;
/// The ledger's ids have 128, and a currency and `:issue` go along.
const HOUSE_BYTES_MAX: usize = 80;
const CURRENCY_BYTES_MAX: usize = 32;

/// The manifest's `config`. An unknown key is refused: a misspelt one sells nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) currency: String,
    pub(crate) earned: String,
    pub(crate) earned_percent: u8,
    pub(crate) house: String,
    pub(crate) count_max: u32,
    pub(crate) combo_window_ms: u32,
    pub(crate) note_chars_max: usize,
    pub(crate) taps_burst: u32,
    /// 0: no bound.
    pub(crate) taps_per_minute: u32,
    pub(crate) items: Vec<Offer>,
}

/// One item.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Offer {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) price: u64,
    pub(crate) emoji: String,
    pub(crate) tier: Tier,
    #[serde(default = "yes")]
    pub(crate) combo: bool,
    #[serde(default = "duration_ms_default")]
    pub(crate) duration_ms: u32,
    #[serde(default)]
    pub(crate) asset: String,
    #[serde(default)]
    pub(crate) for_roles: RoleSet,
    #[serde(default)]
    pub(crate) retired: bool,
}

/// How much is made of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tier {
    Small,
    Big,
    Huge,
}

/// Roles by their names in the contract; none: everybody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoleSet(Roles);

fn yes() -> bool {
    true
}

fn duration_ms_default() -> u32 {
    3_000
}

impl Default for Config {
    fn default() -> Self {
        Self {
            currency: "coin".to_owned(),
            earned: "diamond".to_owned(),
            earned_percent: 50,
            house: "filter:gifts".to_owned(),
            count_max: 999,
            combo_window_ms: 5_000,
            note_chars_max: 140,
            taps_burst: 30,
            taps_per_minute: 300,
            items: Vec::new(),
        }
    }
}

impl Tier {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Big => "big",
            Self::Huge => "huge",
        }
    }

    /// What is in front when two are shown at once.
    pub(crate) fn layer(self) -> u32 {
        match self {
            Self::Small => 0,
            Self::Big => 1,
            Self::Huge => 2,
        }
    }
}

/// Names of roles, in the contract's order.
const ROLES: [(&str, Roles); 8] = [
    ("subscriber", Roles::SUBSCRIBER),
    ("vip", Roles::VIP),
    ("moderator", Roles::MODERATOR),
    ("broadcaster", Roles::BROADCASTER),
    ("staff", Roles::STAFF),
    ("verified", Roles::VERIFIED),
    ("bot", Roles::BOT),
    ("muted", Roles::MUTED),
];

impl Default for RoleSet {
    fn default() -> Self {
        Self(Roles::empty())
    }
}

impl RoleSet {
    pub(crate) fn admits(self, roles: Roles) -> bool {
        self.0.is_empty() || self.0.intersects(roles)
    }

    /// With spaces between them; none, where everybody is meant.
    pub(crate) fn names(self) -> Option<String> {
        let names: Vec<&str> = ROLES
            .iter()
            .filter(|(_, role)| self.0.contains(*role))
            .map(|(name, _)| *name)
            .collect();
        (!names.is_empty()).then(|| names.join(" "))
    }
}

impl<'de> Deserialize<'de> for RoleSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut roles = Roles::empty();
        for name in Vec::<String>::deserialize(deserializer)? {
            let known = ROLES.iter().find(|(known, _)| *known == name);
            let unknown = || de::Error::custom(format!("there is no role '{name}'"));
            roles |= known.ok_or_else(unknown)?.1;
        }
        Ok(Self(roles))
    }
}

impl Config {
    /// Reads and checks the whole of it, so that a mistake is found by whoever makes it.
    pub(crate) fn parse(document: &str) -> Result<Self, String> {
        let mut json = serde_json::Deserializer::from_str(document);
        let config: Self = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            format!("{path}: {}", error.into_inner())
        })?;
        config.check()?;
        Ok(config)
    }

    pub(crate) fn offer(&self, id: &str) -> Option<&Offer> {
        self.items.iter().find(|it| it.id == id)
    }

    fn check(&self) -> Result<(), String> {
        for (key, value, least, most) in [
            ("earned_percent", u32::from(self.earned_percent), 0, 100),
            ("count_max", self.count_max, 1, COUNT_MAX),
            (
                "combo_window_ms",
                self.combo_window_ms,
                1,
                COMBO_WINDOW_MS_MAX,
            ),
            ("taps_burst", self.taps_burst, 1, TAPS_BURST_MAX),
            (
                "taps_per_minute",
                self.taps_per_minute,
                0,
                TAPS_PER_MINUTE_MAX,
            ),
        ] {
            if !(least..=most).contains(&value) {
                return Err(format!("{key} is {least} to {most}"));
            }
        }
        if self.note_chars_max > NOTE_CHARS_MAX {
            return Err(format!("note_chars_max is 0 to {NOTE_CHARS_MAX}"));
        }
        for (key, currency) in [("currency", &self.currency), ("earned", &self.earned)] {
            let fits = (1..=CURRENCY_BYTES_MAX).contains(&currency.len());
            if !fits || !currency.bytes().all(|it| it.is_ascii_lowercase()) {
                return Err(format!(
                    "{key} is 1 to {CURRENCY_BYTES_MAX} lower-case letters"
                ));
            }
        }
        // Else a room could be paid with what senders pay in, out of nothing.
        if self.currency == self.earned {
            return Err("earned is another currency than 'currency'".to_owned());
        }
        self.check_house()?;
        self.check_items()
    }

    fn check_house(&self) -> Result<(), String> {
        let name = self.house.strip_prefix("filter:").unwrap_or_default();
        let fits = !name.is_empty() && self.house.len() <= HOUSE_BYTES_MAX;
        if fits && name.bytes().all(|it| it.is_ascii_graphic()) {
            return Ok(());
        }
        Err(format!(
            "house is 'filter:' and the name of this filter, {HOUSE_BYTES_MAX} bytes at most"
        ))
    }

    fn check_items(&self) -> Result<(), String> {
        if !(1..=ITEMS_MAX).contains(&self.items.len()) {
            return Err(format!("items: 1 to {ITEMS_MAX} of them"));
        }
        let mut ids = BTreeSet::new();
        for (at, offer) in self.items.iter().enumerate() {
            let wrong = |reason: &str| format!("items[{at}] '{}': {reason}", offer.id);
            offer.check().map_err(|reason| wrong(&reason))?;
            if !ids.insert(offer.id.as_str()) {
                return Err(wrong("the id is there twice"));
            }
        }
        Ok(())
    }
}

impl Offer {
    fn check(&self) -> Result<(), String> {
        let is_id = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"-_".contains(&it);
        if !(1..=ID_BYTES_MAX).contains(&self.id.len()) || !self.id.bytes().all(is_id) {
            return Err(format!(
                "an id is 1 to {ID_BYTES_MAX} of a-z, 0-9, '-' and '_'"
            ));
        }
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || !is_plain(name) {
            return Err(format!(
                "a name has 1 to {NAME_CHARS_MAX} characters, all of which are seen"
            ));
        }
        if !(1..=PRICE_MAX).contains(&self.price) {
            return Err(format!("a price is 1 to {PRICE_MAX}"));
        }
        let emoji = self.emoji.trim();
        if emoji.len() > EMOJI_BYTES_MAX || !is_plain(emoji) {
            return Err(format!("an emoji has at most {EMOJI_BYTES_MAX} bytes"));
        }
        if self.asset.len() > ASSET_BYTES_MAX || !self.asset.bytes().all(|it| it.is_ascii_graphic())
        {
            return Err(format!(
                "an asset is at most {ASSET_BYTES_MAX} visible ASCII characters"
            ));
        }
        if emoji.is_empty() && self.asset.is_empty() {
            return Err("neither an emoji nor an asset: there is nothing to draw".to_owned());
        }
        if !(1..=DURATION_MS_MAX).contains(&self.duration_ms) {
            return Err(format!("duration_ms is 1 to {DURATION_MS_MAX}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rose() -> Value {
        json!({ "id": "rose", "name": "Rose", "price": 10, "emoji": "\u{1F339}", "tier": "small" })
    }

    fn with(key: &str, value: Value) -> Value {
        let mut item = rose();
        item[key] = value;
        item
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let config = Config::parse(&json!({ "items": [rose()] }).to_string()).expect("good");
        let rose = config.offer("rose").expect("a rose");
        assert_eq!(
            (rose.combo, rose.duration_ms, rose.retired),
            (true, 3000, false)
        );
        assert!(rose.for_roles.admits(Roles::empty()));
        assert!(config.offer("tulip").is_none());
        assert_eq!((config.earned_percent, config.count_max), (50, 999));
    }

    #[test]
    fn what_is_wrong_with_an_item_is_said() {
        for (item, reason) in [
            (with("id", json!("")), "an id is"),
            (with("id", json!("Rose")), "an id is"),
            (with("id", json!("r".repeat(65))), "an id is"),
            (with("name", json!(" ")), "a name has"),
            (with("name", json!("x".repeat(41))), "a name has"),
            (with("name", json!("a\u{202E}b")), "a name has"),
            (with("price", json!(0)), "a price is"),
            (with("price", json!(1u64 << 53)), "a price is"),
            (with("price", json!(-1)), "items[0].price"),
            (with("price", json!(1.5)), "items[0].price"),
            (with("emoji", json!("x".repeat(33))), "an emoji has"),
            (with("emoji", json!("")), "nothing to draw"),
            (with("asset", json!("x".repeat(257))), "an asset is"),
            (with("asset", json!("a b")), "an asset is"),
            (with("tier", json!("vast")), "items[0].tier"),
            (with("duration_ms", json!(0)), "duration_ms is"),
            (with("duration_ms", json!(60_001)), "duration_ms is"),
            (with("for_roles", json!(["king"])), "no role 'king'"),
            (with("prize", json!(1)), "unknown field `prize`"),
        ] {
            let error = Config::parse(&json!({ "items": [item] }).to_string()).expect_err(reason);
            assert!(error.contains(reason), "{reason}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_rest_is_said() {
        for (key, value, reason) in [
            ("items", json!([]), "items: 1 to 200"),
            ("items", json!([rose(), rose()]), "the id is there twice"),
            ("earned_percent", json!(101), "earned_percent is 0 to 100"),
            ("earned_percent", json!(-1), "earned_percent"),
            ("currency", json!("coin:x"), "currency is 1 to"),
            ("earned", json!(""), "earned is 1 to"),
            ("earned", json!("coin"), "another currency"),
            ("house", json!("gifts"), "house is 'filter:'"),
            ("house", json!("filter:"), "house is 'filter:'"),
            ("house", json!("filter:a b"), "house is 'filter:'"),
            ("count_max", json!(0), "count_max is"),
            ("combo_window_ms", json!(60_001), "combo_window_ms is"),
            ("note_chars_max", json!(501), "note_chars_max is"),
            ("taps_burst", json!(0), "taps_burst is"),
            ("taps_per_minute", json!(6001), "taps_per_minute is"),
            ("price", json!(1), "unknown field `price`"),
        ] {
            let mut document = json!({ "items": [rose()] });
            document[key] = value;
            let error = Config::parse(&document.to_string()).expect_err(reason);
            assert!(error.contains(reason), "{reason}: {error}");
        }
        let many: Vec<Value> = (0..=ITEMS_MAX)
            .map(|at| with("id", json!(format!("i{at}"))))
            .collect();
        let error = Config::parse(&json!({ "items": many }).to_string()).expect_err("too many");
        assert!(error.contains("1 to 200"), "{error}");
        assert!(Config::parse("{").is_err());
    }
}
