//! People.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A set of roles; the flags of `weir:filter/types.roles`. In JSON a list of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roles(u8);

impl Roles {
    /// Nobody in particular: a viewer.
    pub const NONE: Self = Self(0);
    /// Pays for the channel.
    pub const SUBSCRIBER: Self = Self(1);
    /// Honoured by the broadcaster.
    pub const VIP: Self = Self(1 << 1);
    /// May moderate.
    pub const MODERATOR: Self = Self(1 << 2);
    /// Whose room it is.
    pub const BROADCASTER: Self = Self(1 << 3);
    /// Of the operator.
    pub const STAFF: Self = Self(1 << 4);
    /// Is who the name says.
    pub const VERIFIED: Self = Self(1 << 5);
    /// A program.
    pub const BOT: Self = Self(1 << 6);
    /// May not speak anywhere.
    pub const MUTED: Self = Self(1 << 7);

    /// Those who see what moderators see, whom no cap and no restriction touches.
    pub const IN_CHARGE: Self = Self(Self::MODERATOR.0 | Self::BROADCASTER.0 | Self::STAFF.0);

    /// Those whom no sanction silences: whose room it is, and whose platform.
    pub const ABOVE_SANCTIONS: Self = Self(Self::BROADCASTER.0 | Self::STAFF.0);

    const NAMES: [&str; 8] = [
        "subscriber",
        "vip",
        "moderator",
        "broadcaster",
        "staff",
        "verified",
        "bot",
        "muted",
    ];

    /// One bit per role, in the order of the constants.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// See [`Self::from_bits`].
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The roles of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of the roles that are not among `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether they have a role in common.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// For the order in which an audience is shown: greater comes first.
    pub(crate) fn rank(self) -> u8 {
        const ORDER: [Roles; 5] = [
            Roles::BROADCASTER,
            Roles::STAFF,
            Roles::MODERATOR,
            Roles::VIP,
            Roles::SUBSCRIBER,
        ];
        let above = ORDER.iter().position(|role| self.intersects(*role));
        above.map_or(0, |at| u8::try_from(ORDER.len() - at).unwrap_or(u8::MAX))
    }
}

impl Serialize for Roles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = Self::NAMES.iter().enumerate();
        serializer.collect_seq(
            names
                .filter(|(bit, _)| self.0 >> bit & 1 == 1)
                .map(|(_, name)| name),
        )
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut roles = Self::NONE;
        for name in Vec::<String>::deserialize(deserializer)? {
            let bit = Self::NAMES.iter().position(|known| *known == name);
            let bit = bit.ok_or_else(|| D::Error::custom(format!("unknown role {name:?}")))?;
            roles.0 |= 1 << bit;
        }
        Ok(roles)
    }
}

/// Who said or did something, as the auth filter granted it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Opaque; what sanctions and duplicates are bound to. 1 to [`crate::ID_BYTES_MAX`] bytes.
    pub id: String,
    /// For display, at most [`crate::NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// Roles in this room.
    #[serde(default)]
    pub roles: Roles,
    /// Level of the account, 0 where there are none.
    #[serde(default)]
    pub level: u32,
}

/// An open slot: what is added between two versions of the schema comes as an attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attr {
    /// At most [`crate::NAME_BYTES_MAX`] bytes.
    pub key: String,
    /// At most [`crate::ATTR_BYTES_MAX`] bytes.
    pub value: String,
}
