//! quinn's sessions of rustls, with what they lack: the alert that RFC 6066 section 3 asks for when no
//! certificate is for the name that a client wants, `unrecognized_name`, where rustls sends
//! `access_denied`; and how keys were agreed on, which quinn does not tell.

use std::any::Any;
use std::sync::Arc;

use quinn::crypto::{
    ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, ServerConfig, Session,
    UnsupportedVersion,
};
use quinn::{ConnectionId, Side, TransportErrorCode};
use quinn_proto::TransportError;
use quinn_proto::transport_parameters::TransportParameters;
use rustls::AlertDescription;

use super::server_hello::Agreed;
use crate::tls::NO_CERTIFICATE;

/// A configuration whose sessions are [`Corrected`].
pub(super) struct Correcting<C>(pub(super) Arc<C>);

struct Corrected {
    session: Box<dyn Session>,
    agreed: Option<Agreed>,
}

/// What [`quinn::Connection::handshake_data`] is of our endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    /// How keys were agreed on.
    pub agreed: Option<Agreed>,
    /// Whether 0-RTT data are taken.
    pub is_early: bool,
}

impl<C: ServerConfig + 'static> ServerConfig for Correcting<C> {
    fn initial_keys(
        &self,
        version: u32,
        dst_cid: &ConnectionId,
    ) -> Result<Keys, UnsupportedVersion> {
        self.0.initial_keys(version, dst_cid)
    }

    fn retry_tag(&self, version: u32, orig_dst_cid: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.0.retry_tag(version, orig_dst_cid, packet)
    }

    fn start_session(
        self: Arc<Self>,
        version: u32,
        params: &TransportParameters,
    ) -> Box<dyn Session> {
        Box::new(Corrected {
            session: Arc::clone(&self.0).start_session(version, params),
            agreed: None,
        })
    }
}

impl Session for Corrected {
    fn initial_keys(&self, dst_cid: &ConnectionId, side: Side) -> Keys {
        self.session.initial_keys(dst_cid, side)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.session.handshake_data()?;
        Some(Box::new(Handshake {
            agreed: self.agreed,
            is_early: self.session.early_crypto().is_some(),
        }))
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.session.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.session.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.session.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    fn read_handshake(&mut self, buf: &[u8]) -> Result<bool, TransportError> {
        self.session.read_handshake(buf).map_err(|mut error| {
            if error.reason.contains(NO_CERTIFICATE) {
                let alert = AlertDescription::UnrecognisedName;
                error.code = TransportErrorCode::crypto(alert.into());
            }
            error
        })
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        self.session.transport_parameters()
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        let before = buf.len();
        let keys = self.session.write_handshake(buf);
        let written = buf.get(before..).unwrap_or_default();
        if let Some(agreed) = Agreed::by_server_hello(written) {
            self.agreed = Some(agreed);
        }
        keys
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.session.next_1rtt_keys()
    }

    fn is_valid_retry(&self, orig_dst_cid: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.session.is_valid_retry(orig_dst_cid, header, payload)
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        self.session.export_keying_material(output, label, context)
    }
}
