//! Opening and stopping: a stop is there for who publishes and watches here whatever the store does.

use ::channels::{By, Error, Room, check_reason};

use super::House;
use super::directory::Closed;
use crate::control::problem::Problem;

/// What is said beside why the store did not take a stop.
const OFF_HERE: &str = "on this origin the room is off, until it is started or the origin restarts: \
    stop it again";

impl House {
    /// Lets publishers and viewers in again; answers the room as it was, and as it is.
    pub(super) async fn open(&self, name: &str, by: By) -> Result<(Room, Room), Problem> {
        let set = self.store.open_room(name, by).await?;
        self.directory.switch_on(name);
        self.refresh_or_later().await;
        Ok(set)
    }

    /// Cuts everybody off, at once; then it is written, for other origins and for later. A store that is
    /// slow or broken is why somebody else has to hurry, not why the picture goes on.
    pub(super) async fn stop(
        &self,
        name: &str,
        by: By,
        reason: &str,
    ) -> Result<(Room, Room), Problem> {
        check_reason(reason).map_err(Error::from)?;
        let closed = Closed::stopped(name, reason);
        // Who asks from now on is refused. Then who is there is cut off.
        let is_off = self.directory.switch_off(name, reason);
        if is_off {
            self.cut(&closed);
        }
        let set = self.store.stop_room(name, by, reason.to_owned());
        match set.await {
            Ok(set) => {
                // Whom the directory did not know before.
                self.cut(&closed);
                // With which the store has its say again.
                self.refresh_or_later().await;
                Ok(set)
            }
            Err(error @ Error::Database(_)) => {
                // Once more: somebody may have started it meanwhile.
                let is_off = self.directory.switch_off(name, reason);
                tracing::error!(room = name, is_off, %error, "a stop is not written");
                self.cut(&closed);
                self.metrics.closed.inc();
                self.hubs.dismiss(name).await;
                let problem = Problem::from(error);
                // One that is not known here cannot be switched off; who is there is gone all the same.
                Err(if is_off {
                    problem.and(OFF_HERE)
                } else {
                    problem
                })
            }
            Err(error) => {
                self.directory.switch_on(name);
                Err(error.into())
            }
        }
    }

    /// Whether a room is stopped here, whatever the store says.
    pub(super) fn is_off(&self, name: &str) -> bool {
        self.directory.off(name).is_some()
    }
}
