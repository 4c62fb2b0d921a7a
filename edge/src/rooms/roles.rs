//! Roles, as rooms and as filters have them: the same flags, two types.

use rooms::schema::Roles;
use wasm_filters::contract::types;

const BOTH: [(Roles, types::Roles); 8] = [
    (Roles::SUBSCRIBER, types::Roles::SUBSCRIBER),
    (Roles::VIP, types::Roles::VIP),
    (Roles::MODERATOR, types::Roles::MODERATOR),
    (Roles::BROADCASTER, types::Roles::BROADCASTER),
    (Roles::STAFF, types::Roles::STAFF),
    (Roles::VERIFIED, types::Roles::VERIFIED),
    (Roles::BOT, types::Roles::BOT),
    (Roles::MUTED, types::Roles::MUTED),
];

/// As rooms have them.
pub(super) fn from_contract(roles: types::Roles) -> Roles {
    let held = BOTH.into_iter().filter(|(_, role)| roles.contains(*role));
    held.fold(Roles::NONE, |sum, (role, _)| sum.union(role))
}

/// As filters have them.
pub(super) fn to_contract(roles: Roles) -> types::Roles {
    let held = BOTH.into_iter().filter(|(role, _)| roles.intersects(*role));
    held.fold(types::Roles::empty(), |sum, (_, role)| sum | role)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for bits in 0..=u8::MAX {
            let roles = Roles::from_bits(bits);
            assert_eq!(from_contract(to_contract(roles)), roles);
        }
    }
}
