//! Why a gift is looked at by somebody before it is paid.

/// What an operator finds suspicious.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignalRules {
    /// Whether a gift for the giver's own room is.
    pub self_gifts: bool,
    /// Coins of one gift by an account younger than `new_account_ms`; 0: none are too many.
    pub new_account_coins: u64,
    /// How long an account is new, in milliseconds.
    pub new_account_ms: u64,
    /// Coins of one giver within a time of the caller's choice; 0: none are too many.
    pub velocity_coins: u64,
}

/// What is known of who gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Giver {
    /// Age of the account in milliseconds; none if it is not known here.
    pub age_ms: Option<u64>,
    /// Coins given within the time that velocity is about, this gift left out.
    pub given_lately: u64,
    /// Whether the room is theirs.
    pub is_own_room: bool,
}

/// Why a gift is held; none: it is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signals(Vec<&'static str>);

impl Signals {
    /// What is suspicious about giving `coins`.
    pub fn of(rules: SignalRules, giver: Giver, coins: u64) -> Self {
        let is_new = giver.age_ms.is_some_and(|age| age < rules.new_account_ms);
        let lately = giver.given_lately.saturating_add(coins);
        let all = [
            (
                "new-account",
                rules.new_account_coins > 0 && is_new && coins >= rules.new_account_coins,
            ),
            ("self-gift", rules.self_gifts && giver.is_own_room),
            (
                "velocity",
                rules.velocity_coins > 0 && lately > rules.velocity_coins,
            ),
        ];
        let found = all.into_iter().filter(|(_, is_there)| *is_there);
        Self(found.map(|(name, _)| name).collect())
    }

    /// Whether the gift is to be held.
    pub fn hold(&self) -> bool {
        !self.0.is_empty()
    }

    /// Their names.
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: SignalRules = SignalRules {
        self_gifts: true,
        new_account_coins: 1_000,
        new_account_ms: 60_000,
        velocity_coins: 5_000,
    };

    #[test]
    fn each_signal_by_itself() {
        let old = Giver {
            age_ms: Some(60_000),
            ..Giver::default()
        };
        let new = Giver {
            age_ms: Some(59_999),
            ..old
        };
        let of = |giver, coins| Signals::of(RULES, giver, coins).names().to_vec();
        assert!(of(old, 5_000).is_empty());
        assert_eq!(of(new, 1_000), ["new-account"]);
        assert!(of(new, 999).is_empty());
        let busy = Giver {
            given_lately: u64::MAX,
            ..old
        };
        assert_eq!(of(busy, 1), ["velocity"]);
        let own = Giver {
            is_own_room: true,
            ..old
        };
        assert_eq!(of(own, 1), ["self-gift"]);
        let all = Giver {
            age_ms: Some(0),
            is_own_room: true,
            ..busy
        };
        let off = Signals::of(SignalRules::default(), all, u64::MAX);
        assert!(!off.hold(), "nothing is suspicious unless it is said to be");
    }
}
