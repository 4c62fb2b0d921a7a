//! Any sequence of operations does what a plain model says, refusals included.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::contents::ENTRY_OVERHEAD_BYTES;
use super::super::{KvError, KvSpace, KvStore};
use super::{NOW, roomy};
use crate::manifest::KvLimits;

#[derive(Clone, Debug)]
enum Operation {
    Get,
    Set(Vec<u8>, Option<u64>),
    Delete,
    Add(i64, Option<u64>),
    CompareAndSet(Option<Vec<u8>>, Option<Vec<u8>>, Option<u64>),
    TakeToken,
}

/// Everything as plainly as it can be said.
#[derive(Default)]
struct Model {
    values: BTreeMap<String, (Vec<u8>, u64)>,
    /// Units of 1/60000 token, when they were counted, when it is full.
    buckets: BTreeMap<String, (u64, u64, u64)>,
}

const MODEL_LIMITS: KvLimits = KvLimits {
    entries: 4,
    bytes: 60,
    value_bytes: 24,
};
const CAPACITY: u32 = 2;
const REFILL: u32 = 1_000;
const TOKEN: u64 = 60_000;

impl Model {
    fn expire(&mut self, now: u64) {
        self.values.retain(|_, (_, at)| *at > now);
        self.buckets.retain(|_, (_, _, full_at)| *full_at > now);
    }

    fn bytes(&self) -> usize {
        let values: usize = self
            .values
            .iter()
            .map(|(k, (v, _))| k.len() + v.len())
            .sum();
        let buckets: usize = self.buckets.keys().map(|k| k.len() + 16).sum();
        values + buckets
    }

    fn fits(&self, more_entries: usize, more_bytes: usize) -> Result<(), KvError> {
        let entries = self.values.len() + self.buckets.len() + more_entries;
        let bytes = self.bytes() + more_bytes;
        let entries_fit = more_entries == 0 || entries <= MODEL_LIMITS.entries as usize;
        let bytes_fit = more_bytes == 0 || bytes as u64 <= MODEL_LIMITS.bytes;
        (entries_fit && bytes_fit)
            .then_some(())
            .ok_or(KvError::Quota)
    }

    fn put(&mut self, key: &str, value: Vec<u8>, until: u64, now: u64) -> Result<(), KvError> {
        if until <= now {
            self.values.remove(key);
            return Ok(());
        }
        match self.values.get(key) {
            Some((old, _)) => self.fits(0, value.len().saturating_sub(old.len()))?,
            None => self.fits(1, key.len() + value.len())?,
        }
        self.values.insert(key.to_owned(), (value, until));
        Ok(())
    }

    fn run(&mut self, key: &str, operation: Operation, now: u64) -> Result<String, KvError> {
        self.expire(now);
        let until = |ttl: Option<u64>| ttl.map_or(u64::MAX, |ttl| now + ttl);
        let small = |value: &[u8]| {
            (value.len() as u64 <= MODEL_LIMITS.value_bytes)
                .then_some(())
                .ok_or(KvError::TooLarge)
        };
        match operation {
            Operation::Get => Ok(format!("{:?}", self.values.get(key).map(|(v, _)| v))),
            Operation::Set(value, ttl) => {
                small(&value)?;
                self.put(key, value, until(ttl), now)?;
                Ok("()".to_owned())
            }
            Operation::Delete => {
                let value = self.values.remove(key).is_some();
                let bucket = self.buckets.remove(key).is_some();
                Ok(format!("{}", value || bucket))
            }
            Operation::Add(delta, ttl) => {
                let (count, until) = match self.values.get(key) {
                    None => (0, until(ttl)),
                    Some((value, until)) => {
                        let text = String::from_utf8_lossy(value);
                        let count = text.parse().map_err(|_| KvError::Unavailable)?;
                        (count, *until)
                    }
                };
                let sum: i64 = delta.checked_add(count).ok_or(KvError::TooLarge)?;
                self.put(key, sum.to_string().into_bytes(), until, now)?;
                Ok(sum.to_string())
            }
            Operation::CompareAndSet(expected, new, ttl) => {
                new.as_deref().map_or(Ok(()), small)?;
                if self.values.get(key).map(|(v, _)| v) != expected.as_ref() {
                    return Ok("false".to_owned());
                }
                match new {
                    Some(new) => self.put(key, new, until(ttl), now)?,
                    None => drop(self.values.remove(key)),
                }
                Ok("true".to_owned())
            }
            Operation::TakeToken => self.take(key, now).map(|wait| format!("{wait:?}")),
        }
    }

    fn take(&mut self, key: &str, now: u64) -> Result<Option<u64>, KvError> {
        let full = u64::from(CAPACITY) * TOKEN;
        let refill = u64::from(REFILL);
        let level = match self.buckets.get(key) {
            None => {
                self.fits(1, key.len() + 16)?;
                full
            }
            Some((level, at, _)) => full.min(level + (now - at) * refill),
        };
        let (level, wait) = if level >= TOKEN {
            (level - TOKEN, None)
        } else {
            (level, Some((TOKEN - level).div_ceil(refill)))
        };
        let full_at = now + (full - level).div_ceil(refill);
        self.buckets.insert(key.to_owned(), (level, now, full_at));
        Ok(wait)
    }
}

fn run(kv: &KvSpace, key: &str, operation: Operation, now: u64) -> Result<String, KvError> {
    Ok(match operation {
        Operation::Get => format!("{:?}", kv.get(key, now)?),
        Operation::Set(value, ttl) => format!("{:?}", kv.set(key, value, ttl, now)?),
        Operation::Delete => kv.delete(key, now)?.to_string(),
        Operation::Add(delta, ttl) => kv.add(key, delta, ttl, now)?.to_string(),
        Operation::CompareAndSet(expected, new, ttl) => kv
            .compare_and_set(key, expected.as_deref(), new, ttl, now)?
            .to_string(),
        Operation::TakeToken => format!("{:?}", kv.take_token(key, CAPACITY, REFILL, now)?),
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    let value = || {
        prop_oneof![
            3 => prop::collection::vec(Just(b'7'), 0..4),
            1 => prop::collection::vec(any::<u8>(), 0..30),
        ]
    };
    let ttl = || prop::option::of(0_u64..40);
    let delta = prop_oneof![-20_i64..20, Just(i64::MAX), Just(i64::MIN)];
    prop_oneof![
        Just(Operation::Get),
        (value(), ttl()).prop_map(|(value, ttl)| Operation::Set(value, ttl)),
        Just(Operation::Delete),
        (delta, ttl()).prop_map(|(delta, ttl)| Operation::Add(delta, ttl)),
        (prop::option::of(value()), prop::option::of(value()), ttl())
            .prop_map(|(expected, new, ttl)| Operation::CompareAndSet(expected, new, ttl)),
        Just(Operation::TakeToken),
    ]
}

proptest! {
    #[test]
    fn every_operation_does_what_the_model_does(
        steps in prop::collection::vec((0_u64..30, 0..6_usize, operation()), 1..120),
        node_sweeps in any::<bool>(),
    ) {
        let store = KvStore::new(1 << 20);
        let kv = store.open("t", "f", &MODEL_LIMITS).unwrap();
        let mut model = Model::default();
        let mut now = NOW;
        for (pause, key, operation) in steps {
            now += pause;
            let key = "k".repeat(key);
            let expected = model.run(&key, operation.clone(), now);
            let got = run(&kv, &key, operation.clone(), now);
            prop_assert_eq!(got, expected, "{:?} {:?}", key, operation);
            if node_sweeps {
                store.sweep(now);
                model.expire(now);
                let figures = &store.space_figures()[0];
                let entries = (model.values.len() + model.buckets.len()) as u64;
                prop_assert_eq!(figures.entries, entries);
                prop_assert_eq!(figures.bytes, model.bytes() as u64);
                let held = figures.bytes + entries * ENTRY_OVERHEAD_BYTES;
                prop_assert_eq!(store.figures().bytes, held);
            }
        }
        store.forget("f");
        prop_assert_eq!(store.figures().bytes, 0);
        prop_assert_eq!(store.figures().entries, 0);
    }

    #[test]
    fn a_bucket_gives_no_more_than_its_rate_and_waits_no_longer_than_it_says(
        capacity in 1_u32..6,
        refill in 1_u32..100_000,
        pauses in prop::collection::vec(0_u64..3_000, 1..60),
    ) {
        let kv = roomy();
        let (mut now, mut taken) = (NOW, 0_u64);
        for pause in pauses {
            now += pause;
            let wait = kv.take_token("b", capacity, refill, now).unwrap();
            if let Some(wait) = wait {
                let early = now + u64::from(wait) - 1;
                if early > now {
                    prop_assert!(kv.take_token("b", capacity, refill, early).unwrap().is_some());
                }
                now += u64::from(wait);
                prop_assert_eq!(kv.take_token("b", capacity, refill, now).unwrap(), None);
            }
            taken += 1;
            let most = u64::from(capacity) + (now - NOW) * u64::from(refill) / TOKEN;
            prop_assert!(taken <= most, "{} of {}", taken, most);
        }
    }
}
