//! Against a model: a list of events per room.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::person::{People, Verdict};

#[derive(Clone, Debug)]
enum Op {
    Append {
        room: u8,
        events: Vec<Kind>,
    },
    Erase {
        user: u8,
    },
    Sweep,
    Sync,
    Restart,
    /// The last file of a room loses some of what is not durable.
    Crash {
        room: u8,
        cut: u16,
    },
    Rotate,
    Later {
        hours: u8,
    },
}

#[derive(Clone, Debug)]
enum Kind {
    Said { user: u8 },
    Reply { user: u8, to: u8 },
    Gift { from: u8, to: u8 },
    Pin { of: u8, author: u8 },
    Report { of: u8, by: u8 },
    Ban { actor: u8, user: u8 },
    DeleteMessage { of: u8 },
    DeleteUser { user: u8 },
    Clear,
    Notice { to: u8 },
    Void,
}

fn kind() -> impl Strategy<Value = Kind> {
    let user = 0..4_u8;
    prop_oneof![
        8 => user.clone().prop_map(|user| Kind::Said { user }),
        2 => (user.clone(), any::<u8>()).prop_map(|(user, to)| Kind::Reply { user, to }),
        1 => (user.clone(), user.clone()).prop_map(|(from, to)| Kind::Gift { from, to }),
        1 => (any::<u8>(), user.clone()).prop_map(|(of, author)| Kind::Pin { of, author }),
        1 => (any::<u8>(), user.clone()).prop_map(|(of, by)| Kind::Report { of, by }),
        1 => (user.clone(), user.clone()).prop_map(|(actor, user)| Kind::Ban { actor, user }),
        1 => any::<u8>().prop_map(|of| Kind::DeleteMessage { of }),
        1 => user.clone().prop_map(|user| Kind::DeleteUser { user }),
        1 => user.prop_map(|to| Kind::Notice { to }),
        1 => Just(Kind::Void),
        1 => Just(Kind::Clear),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (0..2_u8, prop::collection::vec(kind(), 1..12))
            .prop_map(|(room, events)| Op::Append { room, events }),
        1 => (0..4_u8).prop_map(|user| Op::Erase { user }),
        1 => Just(Op::Sweep),
        1 => Just(Op::Sync),
        1 => Just(Op::Restart),
        2 => (0..2_u8, any::<u16>()).prop_map(|(room, cut)| Op::Crash { room, cut }),
        1 => Just(Op::Rotate),
        1 => (1..40_u8).prop_map(|hours| Op::Later { hours }),
    ]
}

struct World {
    directory: TempDir,
    archive: Option<Archive>,
    lines: Vec<&'static str>,
    now_ms: u64,
    epoch: u64,
    seq: u64,
    model: BTreeMap<String, Vec<Record>>,
    /// Lengths of files that a crash leaves alone.
    durable: BTreeMap<PathBuf, usize>,
}

fn user(number: u8) -> String {
    format!("user-{number}")
}

/// Ids of messages differ between a model that forgets at once and files that are rewritten later.
fn plain(mut record: Record) -> Record {
    match &mut record.event.body {
        Body::Message(message) => message.reply_to = None,
        Body::Review(review) => review.reason.clear(),
        Body::Moderation(moderation) => {
            moderation.reason.clear();
            if let Act::DeleteMessage { id } | Act::Pin { id, .. } = &mut moderation.act {
                id.clear();
            }
            if let Act::Pin {
                message: Some(message),
                ..
            } = &mut moderation.act
            {
                message.reply_to = None;
            }
        }
        _ => {}
    }
    if let Body::Review(review) = &mut record.event.body {
        review.message.reply_to = None;
        review.message.id.clear();
    }
    record
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut world = Self {
            directory,
            archive: None,
            lines: vec![OLD],
            now_ms: NOW,
            epoch: 1,
            seq: 0,
            model: BTreeMap::new(),
            durable: BTreeMap::new(),
        };
        world.start();
        world
    }

    fn archive(&self) -> &Archive {
        self.archive.as_ref().unwrap()
    }

    fn start(&mut self) {
        self.archive = None;
        let opened = open_with(self.directory.path(), &self.lines, self.now_ms);
        let (archive, report) = opened.unwrap();
        assert!(
            report.damaged.is_empty() && report.swept.failed.is_empty(),
            "{report:?}"
        );
        self.archive = Some(archive);
        self.epoch += 1;
        self.seq = 0;
        self.expire();
        self.settle();
    }

    fn settle(&mut self) {
        let files = segments(self.directory.path()).into_iter();
        self.durable = files.map(|(path, bytes)| (path, bytes.len())).collect();
    }

    fn expire(&mut self) {
        let first = (self.now_ms / DAY_MS).saturating_sub(3);
        for records in self.model.values_mut() {
            records.retain(|it| it.event.at_ms / DAY_MS >= first);
        }
    }

    fn event(&mut self, room: &str, kind: &Kind) -> Arc<Event> {
        self.seq += 1;
        let seq = self.seq;
        let known: Vec<Message> = self.model.get(room).map_or_else(Vec::new, |records| {
            let bodies = records.iter().map(|it| &it.event.body);
            let messages = bodies.filter_map(|body| match body {
                Body::Message(message) => Some(message.clone()),
                _ => None,
            });
            messages.collect()
        });
        let pick = |at: u8| known.get(usize::from(at) % known.len().max(1)).cloned();
        let id = format!("m{}-{seq}", self.epoch);
        let event = match kind {
            Kind::Said { user: it } => event(seq, Body::Message(message(&id, &user(*it), "said"))),
            Kind::Reply { user: it, to } => {
                let mut message = message(&id, &user(*it), "replied");
                message.reply_to = pick(*to).map(|it| it.id);
                event(seq, Body::Message(message))
            }
            Kind::Gift { from, to } => gift(seq, &user(*from), &user(*to)),
            Kind::Pin { of, author } => {
                let message = pick(*of);
                let id = message
                    .as_ref()
                    .map_or_else(String::new, |it| it.id.clone());
                act(seq, &user(*author), Act::Pin { id, message })
            }
            Kind::Report { of, by } => review(seq, &user(*by), pick(*of).unwrap_or_default()),
            Kind::Ban { actor, user: it } => act(seq, &user(*actor), Act::Ban { user: user(*it) }),
            Kind::DeleteMessage { of } => {
                let id = pick(*of).map_or_else(String::new, |it| it.id);
                act(seq, "mod", Act::DeleteMessage { id })
            }
            Kind::DeleteUser { user: it } => act(seq, "mod", Act::DeleteUser { user: user(*it) }),
            Kind::Clear => act(seq, "mod", Act::Clear),
            Kind::Notice { to } => notice(seq, &format!(r#"{{"to":"{}"}}"#, user(*to))),
            Kind::Void => event(seq, Body::Void),
        };
        let at_ms = self.now_ms + 1;
        self.now_ms = at_ms;
        Arc::new(Event {
            at_ms,
            ..(*event).clone()
        })
    }

    /// As the rooms' windows do it.
    fn store(&mut self, room: &str, event: &Event) {
        let records = self.model.entry(room.to_owned()).or_default();
        let takes = |message: &Message| match &event.body {
            Body::Moderation(it) => match &it.act {
                Act::DeleteMessage { id } => message.id == *id,
                Act::DeleteUser { user } => message.author.id == *user,
                Act::Clear => true,
                _ => false,
            },
            _ => false,
        };
        records.retain(|it| !matches!(&it.event.body, Body::Message(it) if takes(it)));
        for record in records.iter_mut() {
            match &mut record.event.body {
                Body::Moderation(it) => {
                    if let Act::Pin { message, .. } = &mut it.act
                        && message.as_ref().is_some_and(takes)
                    {
                        *message = None;
                    }
                }
                Body::Review(it) if takes(&it.message) => {
                    it.message = Message {
                        author: it.message.author.clone(),
                        ..Message::default()
                    };
                }
                _ => {}
            }
        }
        if event.body != Body::Void {
            let epoch = self.epoch;
            let event = event.clone();
            records.push(Record { epoch, event });
        }
    }

    fn erase(&mut self, erased: &str) {
        self.archive().erase(erased, self.now_ms).unwrap();
        for records in self.model.values_mut() {
            let people = People {
                is_theirs: &|id| id == erased,
                messages: &HashSet::new(),
            };
            records.retain_mut(|record| match people.rest_of(&record.event.body) {
                Verdict::Keep => true,
                Verdict::Drop => false,
                Verdict::Change(body) => {
                    record.event.body = *body;
                    true
                }
            });
        }
    }

    fn crash(&mut self, room: &str, cut: u16) {
        self.archive = None;
        let files = segments(self.directory.path()).into_iter();
        let mut of_room = files.filter(|(path, _)| path.parent().unwrap().ends_with(room));
        let last = of_room.by_ref().max_by_key(|(path, _)| {
            let name = path.file_stem().unwrap().to_str().unwrap();
            name.split_once('-').unwrap().1.to_owned()
        });
        if let Some((path, bytes)) = last {
            let least = self.durable.get(&path).copied().unwrap_or_default();
            let length = bytes.len() - usize::from(cut) % (bytes.len() - least + 1);
            std::fs::write(&path, &bytes[..length]).unwrap();
        }
        self.start();
        let left = read(self.archive(), room);
        let known = self.model.entry(room.to_owned()).or_default();
        known.truncate(left.len());
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Append { room, events } => {
                let room = user(*room);
                let events: Vec<_> = events.iter().map(|it| self.event(&room, it)).collect();
                self.archive().append(&room, self.epoch, &events).unwrap();
                events.iter().for_each(|it| self.store(&room, it));
                // As the driver does with acts; else a crash brings back what they deleted.
                if events
                    .iter()
                    .any(|it| matches!(it.body, Body::Moderation(_)))
                {
                    self.run(&Op::Sync);
                }
            }
            Op::Erase { user: it } => {
                self.erase(&user(*it));
                self.settle();
            }
            Op::Sweep => {
                let swept = self.archive().sweep(self.now_ms);
                assert!(swept.failed.is_empty(), "{swept:?}");
                assert_eq!(self.archive().stats().pending_deletions, 0);
                self.expire();
                self.settle();
            }
            Op::Sync => {
                self.archive().sync().unwrap();
                self.settle();
            }
            Op::Restart => {
                self.archive().close().unwrap();
                self.start();
            }
            Op::Crash { room, cut } => self.crash(&user(*room), *cut),
            Op::Rotate => {
                self.archive().close().unwrap();
                let other = if self.lines[0] == OLD { NEW } else { OLD };
                self.lines.insert(0, other);
                self.start();
                assert!(self.archive().reseal().unwrap().failed.is_empty());
                self.lines.truncate(1);
                self.start();
            }
            Op::Later { hours } => self.now_ms += u64::from(*hours) * 3_600_000,
        }
    }

    fn check(&self) {
        for room in [user(0), user(1)] {
            let read: Vec<_> = read(self.archive(), &room).into_iter().map(plain).collect();
            let known = self.model.get(&room).cloned().unwrap_or_default();
            let known: Vec<_> = known.into_iter().map(plain).collect();
            assert_eq!(read, known);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_is_a_list_of_events(ops in prop::collection::vec(op(), 1..40)) {
        let mut world = World::new();
        for op in &ops {
            world.run(op);
            world.check();
        }
        world.run(&Op::Sweep);
        world.check();
        world.run(&Op::Restart);
        world.check();
    }
}
