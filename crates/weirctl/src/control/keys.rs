//! `weirctl key`: the keys that sign access tokens.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Desk;
use crate::args::{KeyCommand, KeyRotate};
use crate::config::Target;
use crate::failure::Failure;
use crate::node::client::Ask;
use crate::output::Output;

/// `POST /keys/rotate`
#[derive(Debug, Serialize, Deserialize)]
struct Rotated {
    signs_from_ms: u64,
    is_new: bool,
}

/// `weirctl key`
///
/// # Errors
/// The origin refused, has no accounts, or cannot be reached.
pub(crate) async fn run(
    target: &Target,
    output: Output,
    command: &KeyCommand,
) -> Result<(), Failure> {
    let KeyCommand::Rotate(KeyRotate { compromised }) = command;
    let desk = Desk::new(target)?;
    let body = json!({ "compromised": compromised });
    let ask = Ask::new(Method::POST, "/v1/admin/keys/rotate").body(body);
    let rotated = desk.ask::<Rotated>(ask).await?;
    output.show(&rotated, |rotated, _| {
        let done = match (*compromised, rotated.is_new) {
            (true, _) => {
                "a new key signs: access tokens of before count no longer here, on other origins within \
                 a minute, and on edges when they read the keys again"
            }
            (false, true) => "a new key is published, and signs in 10 minutes",
            (false, false) => "a new key waits already: nothing was changed",
        };
        format!("{done}\n")
    })
}
