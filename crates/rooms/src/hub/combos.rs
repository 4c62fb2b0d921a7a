//! Series of gifts: how many there are of each so far, and when one is over.
//!
//! The hub counts, because it alone sees all of them, in order.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    limits::{COMBO_WINDOW_MS_MAX, COMBOS_MAX, ID_BYTES_MAX, NUMBER_MAX},
    schema::{Gift, Notice, User},
};

/// Kind of the notice that ends a series.
pub const COMBO_END: &str = "combo_end";

/// Series that go on.
#[derive(Debug, Default)]
pub(super) struct Combos {
    by_id: BTreeMap<String, Running>,
}

#[derive(Debug)]
struct Running {
    /// Unique: another series of the same people and item has another one.
    name: String,
    sender: User,
    item: String,
    count: u32,
    points: u64,
    until_ms: u64,
}

impl Combos {
    /// Counts a gift of a series, and tells it its place. `seq` is that of its event.
    pub(super) fn count(&mut self, gift: &mut Gift, seq: u64, now_ms: u64) -> Option<Notice> {
        let combo = gift.combo.as_mut()?;
        let mut ended = None;
        if self.by_id.len() >= COMBOS_MAX && !self.by_id.contains_key(&combo.id) {
            ended = self.end_first();
        }
        let until_ms = now_ms + u64::from(combo.window_ms.min(COMBO_WINDOW_MS_MAX));
        let running = self
            .by_id
            .entry(combo.id.clone())
            .or_insert_with(|| Running {
                name: unique(&combo.id, seq),
                sender: gift.sender.clone(),
                item: gift.item.clone(),
                count: 0,
                points: 0,
                until_ms,
            });
        running.count = running.count.saturating_add(gift.count);
        running.points = running.points.saturating_add(gift.points).min(NUMBER_MAX);
        running.until_ms = until_ms;
        combo.count = running.count;
        combo.id.clone_from(&running.name);
        ended
    }

    /// When the next one is over.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.by_id.values().map(|running| running.until_ms).min()
    }

    /// Those that are over.
    pub(super) fn end(&mut self, now_ms: u64) -> Vec<Notice> {
        let mut ended = Vec::new();
        self.by_id.retain(|_, running| {
            let goes_on = running.until_ms > now_ms;
            if !goes_on {
                ended.push(running.notice());
            }
            goes_on
        });
        ended
    }

    pub(super) fn forget(&mut self, user: &str) {
        self.by_id.retain(|_, running| running.sender.id != user);
    }

    /// The one that would be over first makes place.
    fn end_first(&mut self) -> Option<Notice> {
        let first = self.by_id.iter().min_by_key(|(_, it)| it.until_ms);
        let id = first.map(|(id, _)| id.clone())?;
        self.by_id.remove(&id).map(|running| running.notice())
    }
}

impl Running {
    fn notice(&self) -> Notice {
        let payload = json!({
            "id": self.name,
            "sender": { "id": self.sender.id, "name": self.sender.name },
            "item": self.item,
            "count": self.count,
            "points": self.points,
        });
        Notice {
            id: format!("end.{}", self.name)
                .chars()
                .take(ID_BYTES_MAX)
                .collect(),
            kind: COMBO_END.to_owned(),
            text: String::new(),
            payload: payload.to_string(),
        }
    }
}

/// The series' name, with the event at which it began.
fn unique(id: &str, seq: u64) -> String {
    let name = format!("{id}@{seq}");
    if name.len() <= ID_BYTES_MAX {
        name
    } else {
        id.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Combo;

    fn gift(sender: &str, count: u32, window_ms: u32) -> Gift {
        Gift {
            sender: User {
                id: sender.to_owned(),
                ..User::default()
            },
            item: "rose".to_owned(),
            count,
            points: 100 * u64::from(count),
            combo: Some(Combo {
                id: format!("{sender}/rose"),
                count: 99,
                window_ms,
            }),
            ..Gift::default()
        }
    }

    fn counted(combos: &mut Combos, sender: &str, count: u32, now_ms: u64) -> (u32, String) {
        let mut gift = gift(sender, count, 5_000);
        assert_eq!(combos.count(&mut gift, now_ms, now_ms), None);
        let combo = gift.combo.unwrap();
        (combo.count, combo.id)
    }

    #[test]
    fn a_series_is_counted_and_ends_once() {
        let mut combos = Combos::default();
        let (count, name) = counted(&mut combos, "a", 1, 1_000);
        assert_eq!(count, 1, "what the filter guessed does not count");
        assert_eq!(counted(&mut combos, "a", 10, 5_999), (11, name.clone()));
        assert_eq!(counted(&mut combos, "b", 1, 6_000).0, 1);
        assert_eq!(combos.deadline(), Some(10_999));
        assert!(combos.end(10_998).is_empty());
        let ended = combos.end(10_999);
        assert_eq!(ended.len(), 1);
        let payload: serde_json::Value = serde_json::from_str(&ended[0].payload).unwrap();
        assert_eq!(payload["count"], 11);
        assert_eq!(payload["points"], 1_100);
        assert_eq!(payload["id"], name.as_str());
        // The next one of the same people is another series.
        let (count, other) = counted(&mut combos, "a", 1, 11_000);
        assert_eq!(count, 1);
        assert_ne!(other, name);
    }

    #[test]
    fn there_are_only_so_many_and_each_of_them_ends() {
        let mut combos = Combos::default();
        let mut ended = 0;
        for number in 0..COMBOS_MAX as u64 + 10 {
            let mut gift = gift(&format!("u{number}"), 1, u32::MAX);
            ended += usize::from(combos.count(&mut gift, number, number).is_some());
        }
        assert_eq!(ended, 10);
        assert_eq!(combos.end(u64::MAX).len(), COMBOS_MAX);
    }

    #[test]
    fn what_is_no_series_is_left_alone() {
        let mut combos = Combos::default();
        let mut single = Gift::default();
        assert_eq!(combos.count(&mut single, 1, 1), None);
        assert_eq!(combos.deadline(), None);
    }
}
