//! stub
use crate::embedded::HubOptions;
use crate::*;
use bytes::Bytes;
#[derive(Clone, Debug)]
pub(crate) struct Hub;
impl Hub {
    pub(crate) fn publish(&self, _: &RoomName, _: &Bytes) {
        todo!()
    }
    pub(crate) fn send(&self, _: &RoomName, _: &EdgeName, _: &Bytes) {
        todo!()
    }
    pub(crate) fn is_up(&self) -> bool {
        todo!()
    }
    pub(crate) fn close(&self) {
        todo!()
    }
}
pub(super) fn start(
    _: HubOptions,
    _: &prometheus::Registry,
) -> Result<(HubBus, HubInbox, axum::Router), BusError> {
    todo!()
}
