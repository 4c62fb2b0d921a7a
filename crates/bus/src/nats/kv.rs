//! Values in a JetStream key-value bucket.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_nats::Client;
use async_nats::connection::State;
use async_nats::jetstream::{self, kv, stream};
use bytes::Bytes;
use futures::TryStreamExt;
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::connect::Dialer;
use super::{NatsOptions, StoreOptions};
use crate::error::BusError;
use crate::lanes::Lanes;
use crate::name::RoomName;
use crate::store::StoreError;

/// What a message of a bucket has besides its value, in bytes: subject and headers.
const MESSAGE_OVERHEAD_BYTES: usize = 4 << 10;

/// How often a save is tried when others save the same room.
const SAVE_ATTEMPTS_MAX: usize = 16;

/// The bucket.
#[derive(Clone)]
pub(crate) struct KeyValue(Arc<Shared>);

struct Shared {
    dialer: Dialer,
    client: OnceCell<Client>,
    bucket: OnceCell<kv::Store>,
    name: String,
    options: StoreOptions,
    /// Of the rooms that this store has saved.
    revisions: Mutex<HashMap<RoomName, u64>>,
    lanes: Lanes,
}

impl fmt::Debug for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyValue").field(&self.0.name).finish()
    }
}

impl KeyValue {
    pub(super) fn start(options: NatsOptions, store: StoreOptions) -> Result<Self, BusError> {
        Ok(Self(Arc::new(Shared {
            dialer: Dialer::new(&options, "weir store", None)?,
            client: OnceCell::new(),
            bucket: OnceCell::new(),
            name: format!("{}-rooms", options.prefix),
            options: store,
            revisions: Mutex::default(),
            lanes: Lanes::default(),
        })))
    }

    pub(crate) async fn load(&self, room: &RoomName) -> Result<Option<Bytes>, StoreError> {
        self.within(None, |bucket| async move {
            bucket.get(room.as_str()).await.map_err(failed)
        })
        .await
    }

    pub(crate) async fn save(&self, room: &RoomName, value: Bytes) -> Result<(), StoreError> {
        let max = self.0.options.value_bytes_max;
        if value.len() > max {
            let bytes = u64::try_from(value.len()).unwrap_or(u64::MAX);
            return Err(StoreError::TooLarge { bytes, max });
        }
        self.within(Some(room), |bucket| async move {
            self.0.put(&bucket, room, &value).await
        })
        .await
    }

    /// Without a mark of the removal, which would stay for ever.
    pub(crate) async fn remove(&self, room: &RoomName) -> Result<(), StoreError> {
        let subject = format!("{}{room}", self.0.subjects());
        self.within(Some(room), |bucket| async move {
            self.0.revisions.lock().remove(room);
            let purged = bucket.stream.purge().filter(subject.as_str()).await;
            purged.map(drop).map_err(failed)
        })
        .await
    }

    pub(crate) async fn list(&self) -> Result<Vec<RoomName>, StoreError> {
        let subjects = self.0.subjects();
        self.within(None, |bucket| async move {
            let info = bucket
                .stream
                .info_builder()
                .subjects(format!("{subjects}>"));
            let info = info.fetch().await.map_err(failed)?;
            let found: Vec<(String, usize)> = info.try_collect().await.map_err(failed)?;
            let names = found
                .iter()
                .filter_map(|(subject, _)| subject.strip_prefix(&subjects));
            let mut rooms: Vec<_> = names.filter_map(|name| RoomName::new(name).ok()).collect();
            rooms.sort();
            Ok(rooms)
        })
        .await
    }

    /// Does something with the bucket. What is not begun because NATS is away does not happen
    /// later either.
    async fn within<T, Work>(
        &self,
        change: Option<&RoomName>,
        work: impl FnOnce(kv::Store) -> Work,
    ) -> Result<T, StoreError>
    where
        Work: Future<Output = Result<T, StoreError>>,
    {
        let shared = &self.0;
        let reached = async {
            let _turn = match change {
                Some(room) => shared.lanes.turn(room).await,
                None => None,
            };
            let client = shared.client.get_or_init(|| shared.dialer.dial()).await;
            while client.connection_state() != State::Connected {
                shared.dialer.changed().await;
            }
            let bucket = shared
                .bucket
                .get_or_try_init(|| shared.open(client))
                .await?;
            work(bucket.clone()).await
        };
        let done = timeout(shared.options.timeout, reached).await;
        done.unwrap_or_else(|_| {
            let client = shared.client.get().map(Client::connection_state);
            Err(match client {
                Some(State::Connected) => StoreError::Timeout,
                _ => StoreError::Unavailable,
            })
        })
    }
}

impl Shared {
    fn subjects(&self) -> String {
        format!("$KV.{}.", self.name)
    }

    /// Replaces the revision that was the last one. A save may sit in the client while NATS is away
    /// and be made long after its caller was told that it failed: then it must not overtake what
    /// another hub has saved since.
    async fn put(
        &self,
        bucket: &kv::Store,
        room: &RoomName,
        value: &Bytes,
    ) -> Result<(), StoreError> {
        let mut error = String::new();
        for _ in 0..SAVE_ATTEMPTS_MAX {
            let known = self.revisions.lock().get(room).copied();
            let revision = match known {
                Some(revision) => revision,
                None => {
                    let entry = bucket.entry(room.as_str()).await.map_err(failed)?;
                    entry.map_or(0, |entry| entry.revision)
                }
            };
            let put = bucket.update(room.as_str(), value.clone(), revision).await;
            match put {
                Ok(revision) => {
                    self.revisions.lock().insert(room.clone(), revision);
                    return Ok(());
                }
                Err(refused) => {
                    self.revisions.lock().remove(room);
                    if refused.kind() != kv::UpdateErrorKind::WrongLastRevision {
                        return Err(failed(refused));
                    }
                    error = refused.to_string();
                }
            }
        }
        Err(StoreError::Nats(error))
    }

    /// The bucket, made if it is missing. Made as a stream: the client's own way asks servers
    /// before 2.10 for what they do not know.
    async fn open(&self, client: &Client) -> Result<kv::Store, StoreError> {
        let context = jetstream::new(client.clone());
        let bytes_max = self.options.value_bytes_max + MESSAGE_OVERHEAD_BYTES;
        let config = stream::Config {
            name: format!("KV_{}", self.name),
            subjects: vec![format!("{}>", self.subjects())],
            max_messages_per_subject: 1,
            max_bytes: -1,
            max_messages: -1,
            max_message_size: i32::try_from(bytes_max).unwrap_or(i32::MAX),
            discard: stream::DiscardPolicy::New,
            storage: stream::StorageType::File,
            num_replicas: self.options.replicas,
            allow_rollup: true,
            // Followers may be behind, and a hub that starts has to see its last save.
            allow_direct: false,
            ..stream::Config::default()
        };
        context.get_or_create_stream(config).await.map_err(failed)?;
        context.get_key_value(&self.name).await.map_err(failed)
    }
}

fn failed(error: impl fmt::Display) -> StoreError {
    StoreError::Nats(error.to_string())
}
