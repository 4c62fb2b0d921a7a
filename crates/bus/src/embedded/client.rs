//! stub
use crate::embedded::EdgeOptions;
use crate::*;
pub(super) fn start(
    _: EdgeOptions,
    _: &prometheus::Registry,
) -> Result<(EdgeBus, EdgeInbox), BusError> {
    todo!()
}
