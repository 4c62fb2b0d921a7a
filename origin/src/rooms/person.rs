//! All that rooms keep of one person: shown, and taken away.
//!
//! Who may ask for it is decided by whoever calls.

use bus::RoomName;
use http::StatusCode;
use rooms::schema::Act;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::ANSWER_WITHIN;
use super::Hubs;
use super::api::{busy, operate};
use super::hub::Input;
use crate::problem::Problem;

/// What was taken away.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Forgotten {
    /// Rooms that were asked.
    rooms: usize,
    /// Stored messages.
    records: u64,
    /// Stored files that were written again; none if nothing is stored here.
    #[serde(skip_serializing_if = "Option::is_none")]
    segments: Option<u64>,
}

impl Hubs {
    /// Everything that is stored by a user, as lines of JSON; `None`: nothing is stored here. It ends
    /// early if something cannot be read: the last item says why.
    pub(crate) fn stored_by(&self, user: &str) -> Option<mpsc::Receiver<Result<Vec<u8>, String>>> {
        let archive = self.shared.archive.as_ref()?;
        Some(archive.export(user.to_owned()))
    }

    /// Takes away what a user wrote, and their name as a guest: out of rooms, open or not, and out of
    /// what is stored. Again is the same, and goes on where it ended. `actor` does it, for the log.
    pub(crate) async fn erase(&self, user: &str, actor: &str) -> Result<Forgotten, Problem> {
        if user.is_empty() || user.len() > rooms::ID_BYTES_MAX {
            return Err(Problem::malformed("a user id has 1 to 128 bytes"));
        }
        self.desk.forget(user);
        // Those that are closed first: one that opens meanwhile is open below.
        let closed = self.forget_in_closed(user).await;
        let closed = closed.map_err(|error| unfinished(&error))?;
        let open: Vec<RoomName> = self.rooms.lock().keys().cloned().collect();
        for name in &open {
            self.forget_in_open(name, user, actor).await?;
        }
        let rooms = closed + open.len();
        let Some(archive) = &self.shared.archive else {
            return Ok(Forgotten {
                rooms,
                records: 0,
                segments: None,
            });
        };
        let erased = archive.erase(user.to_owned()).await;
        let erased = erased.map_err(|error| unfinished(&error))?;
        Ok(Forgotten {
            rooms,
            records: erased.records,
            segments: Some(erased.segments),
        })
    }

    async fn forget_in_open(
        &self,
        name: &RoomName,
        user: &str,
        actor: &str,
    ) -> Result<(), Problem> {
        let user = user.to_owned();
        let act = Act::DeleteUser { user: user.clone() };
        operate(self, name, actor, (act, String::new()), None).await?;
        let (answer, answered) = oneshot::channel();
        let forget = Input::Forget {
            user,
            actor: actor.to_owned(),
            answer,
        };
        let sent = self.room(name).map(|hub| hub.try_send(forget));
        if !matches!(sent, Ok(Ok(()))) {
            return Err(busy());
        }
        match tokio::time::timeout(ANSWER_WITHIN, answered).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(busy()),
        }
    }
}

fn unfinished(error: &str) -> Problem {
    tracing::error!(error, "a user's chat cannot be erased");
    let detail = "not everything could be erased: ask again; the process's log says why";
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Problem::new(status, "unfinished", detail)
}
