//! Reviews: what waits for moderators, and what becomes of it.

use super::{Hub, verdict::author_only};
use crate::schema::{Act, Body, Message, Outcome, RefusalCode, Review, ReviewKind};

impl Hub {
    /// Opens a review, unless there is one about the same already: a room that complains of one
    /// message must not push out what else is open.
    pub(super) fn review(&mut self, mut review: Review, media_ms: Option<u64>) -> Outcome {
        let room = &self.saved.room;
        let is_known = match review.kind {
            ReviewKind::Held => {
                let author = &review.message.author;
                if let Some((code, retry_after_ms)) = room.refusal(author, self.now_ms) {
                    return self.refuse(code, retry_after_ms);
                }
                if room.is_shadowed(author) {
                    self.counts.shadowed += 1;
                    return author_only(review.id);
                }
                // One of a former epoch, whose answer was lost, may have been approved meanwhile.
                room.review(&review.id).is_some() || self.find(&review.message.id).is_some()
            }
            ReviewKind::Report => {
                let Some(found) = self.find(&review.message.id) else {
                    return self.refuse(RefusalCode::UnknownMessage, None);
                };
                review.message = found;
                room.reviews().iter().any(|known| {
                    let is_about =
                        known.kind == ReviewKind::Report && known.message.id == review.message.id;
                    known.id == review.id || is_about
                })
            }
        };
        let id = review.id.clone();
        if is_known {
            return author_only(id);
        }
        self.accept(id, Body::Review(review), media_ms)
    }

    /// What the room gets after `act`, if it approves what was held; or why the act is refused. All
    /// rules for messages hold but the cap: somebody has looked at it.
    pub(super) fn approved(
        &self,
        act: &Act,
    ) -> Result<Option<Message>, (RefusalCode, Option<u64>)> {
        let (Act::Approve { id } | Act::Dismiss { id }) = act else {
            return Ok(None);
        };
        let room = &self.saved.room;
        let review = room.review(id).ok_or((RefusalCode::UnknownMessage, None))?;
        let is_said = matches!(act, Act::Approve { .. }) && review.kind == ReviewKind::Held;
        if !is_said {
            return Ok(None);
        }
        let author = &review.message.author;
        if let Some(refusal) = room.refusal(author, self.now_ms) {
            return Err(refusal);
        }
        // Said to a moderator, who sees shadow bans: better than an approval without effect.
        if room.is_shadowed(author) {
            return Err((RefusalCode::Banned, None));
        }
        Ok(Some(review.message.clone()))
    }
}
