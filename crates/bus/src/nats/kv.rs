//! stub
use super::{NatsOptions, StoreOptions};
use crate::*;
use bytes::Bytes;
#[derive(Clone, Debug)]
pub(crate) struct KeyValue;
impl KeyValue {
    pub(super) fn start(_: NatsOptions, _: StoreOptions) -> Result<Self, BusError> {
        todo!()
    }
    pub(crate) async fn load(&self, _: &RoomName) -> Result<Option<Bytes>, StoreError> {
        todo!()
    }
    pub(crate) async fn save(&self, _: &RoomName, _: Bytes) -> Result<(), StoreError> {
        todo!()
    }
    pub(crate) async fn remove(&self, _: &RoomName) -> Result<(), StoreError> {
        todo!()
    }
    pub(crate) async fn list(&self) -> Result<Vec<RoomName>, StoreError> {
        todo!()
    }
}
