//! Names of subjects.
//!
//! An edge's name may have dots, which separate the tokens of a subject: they are written as `=`,
//! which no name has.

use crate::name::{EdgeName, RoomName};

/// Makes and reads the subjects of a prefix.
#[derive(Clone, Debug)]
pub(super) struct Subjects {
    prefix: String,
}

impl Subjects {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: format!("{prefix}.room."),
        }
    }

    /// From a hub to all edges that follow the room.
    pub(super) fn all(&self, room: &RoomName) -> String {
        format!("{}{room}.all", self.prefix)
    }

    /// From a hub to one edge.
    pub(super) fn edge(&self, room: &RoomName, edge: &EdgeName) -> String {
        format!("{}{room}.edge.{}", self.prefix, token(edge))
    }

    /// All of [`edge`](Self::edge) for one edge.
    pub(super) fn edge_of_all_rooms(&self, edge: &EdgeName) -> String {
        format!("{}*.edge.{}", self.prefix, token(edge))
    }

    /// From an edge to a hub.
    pub(super) fn hub(&self, room: &RoomName, edge: &EdgeName) -> String {
        format!("{}{room}.hub.{}", self.prefix, token(edge))
    }

    /// All of [`hub`](Self::hub).
    pub(super) fn hub_of_all(&self) -> String {
        format!("{}*.hub.*", self.prefix)
    }

    /// The room of a subject.
    pub(super) fn room_of(&self, subject: &str) -> Option<RoomName> {
        let (room, _) = subject.strip_prefix(&self.prefix)?.split_once('.')?;
        RoomName::new(room).ok()
    }

    /// The room and the edge of a subject of [`hub`](Self::hub).
    pub(super) fn sender_of(&self, subject: &str) -> Option<(RoomName, EdgeName)> {
        let (room, rest) = subject.strip_prefix(&self.prefix)?.split_once('.')?;
        let edge = rest.strip_prefix("hub.")?;
        if edge.contains('.') {
            return None;
        }
        let edge = EdgeName::new(&edge.replace('=', ".")).ok()?;
        Some((RoomName::new(room).ok()?, edge))
    }
}

fn token(edge: &EdgeName) -> String {
    edge.as_str().replace('.', "=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_read_as_they_are_written() {
        let subjects = Subjects::new("weir");
        let room = RoomName::new("demo").unwrap();
        let edge = EdgeName::new("a.b.").unwrap();
        let subject = subjects.hub(&room, &edge);
        assert_eq!(subject, "weir.room.demo.hub.a=b=");
        assert_eq!(subjects.sender_of(&subject), Some((room.clone(), edge)));
        assert_eq!(subjects.room_of(&subjects.all(&room)), Some(room));
        for other in [
            "weir.room.demo.hub.a.b",
            "weir.room.demo.all",
            "x",
            "weir.room.a.hub.",
        ] {
            assert_eq!(subjects.sender_of(other), None, "{other}");
        }
    }
}
