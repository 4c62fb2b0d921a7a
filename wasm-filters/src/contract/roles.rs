//! Roles in serde: a list of their names. What flags are made by derives nothing.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::types::Roles;

/// In the contract's order.
const NAMES: [(Roles, &str); 8] = [
    (Roles::SUBSCRIBER, "subscriber"),
    (Roles::VIP, "vip"),
    (Roles::MODERATOR, "moderator"),
    (Roles::BROADCASTER, "broadcaster"),
    (Roles::STAFF, "staff"),
    (Roles::VERIFIED, "verified"),
    (Roles::BOT, "bot"),
    (Roles::MUTED, "muted"),
];

impl Serialize for Roles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let held = NAMES.iter().filter(|(role, _)| self.contains(*role));
        serializer.collect_seq(held.map(|(_, name)| name))
    }
}

impl<'de> Deserialize<'de> for Roles {
    /// A role that is not of the contract is refused.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<Cow<'de, str>>::deserialize(deserializer)?;
        names.iter().try_fold(Self::empty(), |roles, name| {
            let found = NAMES.iter().find(|(_, known)| known == name);
            let unknown = || de::Error::custom(format!("there is no role {name:?}"));
            Ok(roles | found.ok_or_else(unknown)?.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_a_list_of_their_names() {
        let all = NAMES
            .iter()
            .fold(Roles::empty(), |all, (role, _)| all | *role);
        let json = serde_json::to_string(&all).expect("JSON");
        assert_eq!(
            json,
            r#"["subscriber","vip","moderator","broadcaster","staff","verified","bot","muted"]"#
        );
        for roles in [all, Roles::empty(), Roles::VIP | Roles::MUTED] {
            let json = serde_json::to_string(&roles).expect("JSON");
            assert_eq!(
                serde_json::from_str::<Roles>(&json).expect("roles"),
                roles,
                "{json}"
            );
        }
        assert!(serde_json::from_str::<Roles>(r#"["king"]"#).is_err());
    }
}
