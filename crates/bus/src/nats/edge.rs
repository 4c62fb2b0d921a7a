//! stub
use super::NatsOptions;
use crate::*;
pub(super) fn start(
    _: NatsOptions,
    _: EdgeName,
    _: &prometheus::Registry,
) -> Result<(EdgeBus, EdgeInbox), BusError> {
    todo!()
}
