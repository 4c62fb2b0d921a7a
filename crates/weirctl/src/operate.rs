//! The operator's commands: what they ask of the registry, and what they make of its answers.

pub(crate) mod audit;
pub(crate) mod change;
pub(crate) mod keys;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod push;
pub(crate) mod status;
pub(crate) mod wait;

use filter_registry::{Client, ClientOptions};

use crate::config::Target;
use crate::failure::Failure;

/// A client of the registry.
///
/// # Errors
/// There is no token, or the certificates cannot be used.
pub(crate) fn client(target: &Target) -> Result<Client, Failure> {
    let token = target.token.clone().ok_or_else(|| {
        Failure::usage("the registry wants a token: --token-file FILE, or WEIR_TOKEN")
    })?;
    let options = ClientOptions {
        url: target.registry.to_string(),
        token,
        ca_file: target.ca_file.clone(),
    };
    Client::new(&options).map_err(Failure::usage)
}
