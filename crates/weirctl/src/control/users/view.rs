//! What is said of people, as text.

use super::User;
use crate::control::signed;
use crate::output::{Cell, Style, Table, Tone, count, instant, printable};

pub(super) fn list(users: &[User], style: Style) -> String {
    let mut table = Table::new(["ID", "LOGIN", "STATE", "SINCE", "ROLES", "NAME"]);
    for user in users {
        table.row([
            Cell::from(user.id.as_str()),
            user.login.as_str().into(),
            state(user),
            instant(user.created_at_ms).into(),
            roles(user).into(),
            user.name.as_str().into(),
        ]);
    }
    if table.is_empty() {
        return "nobody\n".to_owned();
    }
    table.render(style)
}

pub(super) fn one(user: &User, _: Style) -> String {
    let mut text = format!(
        "{}\n  id           {}\n  name         {}\n  since        {}\n  roles        {}\n",
        printable(&user.login),
        printable(&user.id),
        printable(&user.name),
        instant(user.created_at_ms),
        printable(&roles(user)),
    );
    if let Some(state) = &user.state {
        text.push_str(&format!("  state        {}\n", printable(state)));
    }
    if let Some(wallet) = &user.wallet {
        text.push_str(&format!(
            "  coins        {}, of which {} can be spent and {} are held\n",
            signed(wallet.balance),
            signed(wallet.available),
            count(wallet.held),
        ));
    }
    text
}

fn state(user: &User) -> Cell {
    match user.state.as_deref() {
        Some("blocked") => Cell::toned(Tone::Bad, "blocked"),
        Some(state) => state.into(),
        None => "".into(),
    }
}

/// `staff, moderator in demo`
fn roles(user: &User) -> String {
    let everywhere = user.roles.iter().cloned();
    let rooms = user.rooms.iter();
    let in_rooms = rooms.flat_map(|(room, roles)| {
        let roles = roles.iter();
        roles.map(move |role| format!("{role} in {room}"))
    });
    let all = everywhere.chain(in_rooms).collect::<Vec<_>>();
    if all.is_empty() {
        "-".to_owned()
    } else {
        all.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn alice() -> User {
        from_value(json!({
            "id": "u-17", "login": "alice", "name": "Alice \u{1b}[31m", "roles": ["staff"],
            "rooms": {"demo": ["moderator", "broadcaster"]},
            "created_at_ms": 1_767_225_600_000_u64, "state": "blocked",
            "wallet": {"balance": 1_200, "available": 200, "held": 1_000},
        }))
        .unwrap()
    }

    #[test]
    fn people_in_a_table() {
        let text = list(&[alice()], Style::Plain);
        let expected = "\
ID    LOGIN  STATE    SINCE                     ROLES                                          NAME
u-17  alice  blocked  2026-01-01T00:00:00.000Z  staff, moderator in demo, broadcaster in demo  Alice \\u{1b}[31m
";
        assert_eq!(text, expected, "\n{text}");
        assert_eq!(list(&[], Style::Plain), "nobody\n");
    }

    #[test]
    fn one_of_them() {
        let expected = "\
alice
  id           u-17
  name         Alice \\u{1b}[31m
  since        2026-01-01T00:00:00.000Z
  roles        staff, moderator in demo, broadcaster in demo
  state        blocked
  coins        1 200, of which 200 can be spent and 1 000 are held
";
        assert_eq!(one(&alice(), Style::Plain), expected);
    }
}
