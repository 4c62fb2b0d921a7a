use super::*;
use rooms::schema::{Body, Notice};

fn room(name: &str) -> RoomName {
    RoomName::new(name).unwrap()
}

fn publish(seq: u64) -> Publish {
    Publish {
        author: "weir".to_owned(),
        client_id: format!("it-{seq}"),
        media_ms: None,
        body: Body::Notice(Notice::default()),
    }
}

/// An outbox, and a dispatcher's steps with it.
struct Desk {
    waiting: Waiting,
    /// Whose message each is; the first has the number 1.
    outbox: Vec<&'static str>,
    now: Instant,
    /// What each room was told, in order.
    told: BTreeMap<String, Vec<String>>,
}

impl Desk {
    fn new() -> Self {
        Self {
            waiting: Waiting::default(),
            outbox: Vec::new(),
            now: Instant::now(),
            told: BTreeMap::new(),
        }
    }

    fn add(&mut self, room: &'static str, count: usize) {
        self.outbox.extend(std::iter::repeat_n(room, count));
    }

    fn after(&self, seq: u64) -> Vec<(u64, &'static str)> {
        let all = (1..).zip(self.outbox.iter().copied());
        let after = all.filter(|(own, _)| *own > seq);
        after.take(BATCH).collect()
    }

    /// As a turn reads.
    fn read(&mut self) {
        let messages = self.after(self.waiting.read());
        for (seq, name) in &messages {
            self.waiting.note_read(*seq);
            self.waiting.push(*seq, room(name), publish(*seq));
        }
        if messages.len() < BATCH {
            self.waiting.caught_up();
        }
        if let Some((behind, after)) = self.waiting.behind(self.now) {
            let messages = self.after(after);
            let is_full = messages.len() == BATCH;
            let last = messages.last().map(|(seq, _)| *seq);
            let own = messages
                .into_iter()
                .filter(|(_, name)| room(name) == behind);
            let own = own.map(|(seq, _)| (seq, publish(seq))).collect();
            self.waiting
                .catch_up(&behind, own, last.filter(|_| is_full));
        }
    }

    /// As a turn tells; who is `busy` answers nothing yet.
    fn tell(&mut self, busy: &[&str]) {
        for (room, publishes) in self.waiting.begin_telling(self.now) {
            if busy.contains(&room.as_str()) {
                continue;
            }
            let ids = publishes.into_iter().map(|it| it.client_id);
            self.told.entry(room.to_string()).or_default().extend(ids);
            self.waiting.note_told(self.now, &room, Ok(()));
        }
    }

    fn told(&self, room: &str) -> Vec<&str> {
        let told = self.told.get(room).into_iter().flatten();
        told.map(String::as_str).collect()
    }

    /// What a room is to be told, all of it, once, in order.
    fn expected(&self, room: &str) -> Vec<String> {
        let all = (1..).zip(&self.outbox);
        let own = all.filter(|(_, name)| **name == room);
        own.map(|(seq, _): (u64, _)| format!("it-{seq}")).collect()
    }
}

/// More than is kept for one room, and than once stopped the reading for all: others are told everything, at
/// once; what is kept is bounded; and when the hub answers, it is told everything once and in order.
#[test]
fn a_room_that_does_not_answer_is_in_nobodys_way() {
    let mut desk = Desk::new();
    for _ in 0..100 {
        desk.add("stuck", 60);
        desk.add("demo", 1);
        desk.read();
        desk.tell(&["stuck"]);
        assert_eq!(desk.told("demo"), desk.expected("demo"));
        assert!(desk.waiting.len() <= ROOM_WAITING_MAX);
        assert_eq!(desk.waiting.left_out(desk.now), 1);
        assert!(
            desk.waiting.begin_telling(desk.now).is_empty(),
            "nothing twice"
        );
        assert!(!desk.waiting.is_ready(desk.now), "nothing to do at once");
    }
    // Nothing of it is removed: it is read again from there.
    desk.now += TOLD_FOR;
    assert_eq!(desk.waiting.removable(desk.now, None), None);
    let telling = desk.expected("stuck").into_iter().take(60);
    desk.told.insert("stuck".to_owned(), telling.collect());
    desk.waiting.note_told(desk.now, &room("stuck"), Ok(()));
    assert!(desk.waiting.is_ready(desk.now), "what came meanwhile");
    let mut turns = 0;
    while desk.told("stuck").len() < 6_000 {
        desk.read();
        desk.tell(&[]);
        // Meanwhile there is more.
        if turns < 10 {
            desk.add("stuck", 1);
            desk.add("demo", 1);
        }
        turns += 1;
        assert!(turns < 100, "it never gets there");
    }
    for _ in 0..2 {
        desk.read();
        desk.tell(&[]);
    }
    for name in ["stuck", "demo"] {
        assert_eq!(desk.told(name), desk.expected(name), "{name}");
    }
    assert_eq!(
        (desk.waiting.len(), desk.waiting.left_out(desk.now)),
        (0, 0)
    );
    assert_eq!(desk.waiting.removable(desk.now, None), None);
    desk.now += TOLD_FOR;
    let all = u64::try_from(desk.outbox.len()).unwrap();
    assert_eq!(desk.waiting.removable(desk.now, None), Some(all));
}

#[test]
fn who_refuses_is_left_out_longer_and_longer() {
    let mut desk = Desk::new();
    desk.add("busy", 3);
    desk.read();
    let busy = room("busy");
    for wait in [1, 2, 4, 8, 16, 32, 32] {
        let asked = desk.waiting.begin_telling(desk.now);
        assert_eq!(asked.len(), 1, "before {wait}");
        let refused = Err(NotPublished::Busy { told: 0 });
        assert_eq!(desk.waiting.note_told(desk.now, &busy, refused), 0);
        desk.now += Duration::from_secs(wait) - Duration::from_millis(1);
        assert!(desk.waiting.begin_telling(desk.now).is_empty(), "{wait}");
        assert_eq!(desk.waiting.left_out(desk.now), 1);
        desk.now += Duration::from_millis(1);
    }
    // Some of it was told; then the rest.
    let _ = desk.waiting.begin_telling(desk.now);
    let refused = Err(NotPublished::Busy { told: 2 });
    assert_eq!(desk.waiting.note_told(desk.now, &busy, refused), 2);
    desk.now += LEFT_OUT_MAX;
    let asked = desk.waiting.begin_telling(desk.now);
    assert_eq!(asked, [(busy.clone(), vec![publish(3)])]);
    assert_eq!(desk.waiting.note_told(desk.now, &busy, Ok(())), 1);
    // Who answers begins anew.
    desk.add("busy", 1);
    desk.read();
    let _ = desk.waiting.begin_telling(desk.now);
    let refused = Err(NotPublished::Busy { told: 0 });
    desk.waiting.note_told(desk.now, &busy, refused);
    desk.now += LEFT_OUT_FOR;
    assert_eq!(desk.waiting.begin_telling(desk.now).len(), 1);
}

/// A process before this one may have told it all, with the records still behind.
#[test]
fn what_was_there_at_the_start_is_corrected_and_only_when_it_was_told() {
    let mut desk = Desk::new();
    desk.add("demo", BATCH);
    desk.add("late", 1);
    desk.read();
    desk.tell(&[]);
    assert_eq!(desk.waiting.take_uncounted(), [room("demo")].into());
    // Not its end yet.
    desk.add("demo", 1);
    desk.read();
    let asked = desk.waiting.begin_telling(desk.now);
    assert_eq!(asked.len(), 2);
    desk.waiting.note_told(desk.now, &room("demo"), Ok(()));
    assert_eq!(desk.waiting.take_uncounted(), [room("demo")].into());
    // To what it is told later, the hub adds.
    assert_eq!(desk.waiting.take_uncounted(), BTreeSet::new());
    desk.waiting.note_told(desk.now, &room("late"), Ok(()));
    assert_eq!(desk.waiting.take_uncounted(), [room("late")].into());
    // From here on each is told once, but for what is taken back.
    desk.add("demo", 1);
    desk.read();
    desk.tell(&[]);
    assert_eq!(desk.waiting.take_uncounted(), BTreeSet::new());
    desk.waiting.miscounted(room("demo"));
    assert_eq!(desk.waiting.take_uncounted(), [room("demo")].into());
}

#[test]
fn nothing_is_removed_that_is_not_told_recorded_and_old() {
    let mut desk = Desk::new();
    desk.add("demo", 10);
    desk.read();
    assert_eq!(desk.waiting.removable(desk.now, Some(1)), None);
    desk.tell(&[]);
    assert_eq!(desk.waiting.removable(desk.now, Some(5)), None);
    desk.now += TOLD_FOR;
    assert_eq!(desk.waiting.removable(desk.now, Some(8)), Some(4));
    // The disk failed: it is said again.
    desk.waiting.note_removed(desk.now, 4, false);
    desk.now += TOLD_FOR;
    assert_eq!(desk.waiting.removable(desk.now, None), Some(7));
    desk.waiting.note_removed(desk.now, 7, true);
    desk.now += TOLD_FOR;
    assert_eq!(desk.waiting.removable(desk.now, None), Some(10));
    desk.waiting.note_removed(desk.now, 10, true);
    assert_eq!(desk.waiting.removable(desk.now, None), None);
}
