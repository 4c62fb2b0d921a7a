//! What is typed, what comes of it, and what is refused.

use clap::CommandFactory as _;
use filter_registry::wire::VersionRef;

use super::filter::{Kind, ShadowVersion};
use super::*;

fn parse(line: &str) -> Result<Arguments, String> {
    let words = std::iter::once("weirctl").chain(line.split_whitespace());
    Arguments::try_parse_from(words).map_err(|error| error.to_string())
}

fn filter(line: &str) -> FilterCommand {
    match parse(&format!("filter {line}")).unwrap().command {
        Command::Filter(command) => *command,
        other => panic!("{other:?}"),
    }
}

fn refused(line: &str, reason: &str) {
    let text = parse(line).unwrap_err();
    assert!(text.contains(reason), "{line}: {text}");
}

#[test]
fn the_definition_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn global_options_go_anywhere() {
    for line in [
        "--registry http://a:1 --json filter list",
        "filter --registry http://a:1 list --json",
        "filter list --json --registry http://a:1/",
    ] {
        let global = parse(line).unwrap().global;
        assert_eq!(global.registry.unwrap().as_str(), "http://a:1/");
        assert!(global.json);
    }
    refused("--registry a:1 filter list", "http://HOST:PORT");
    refused(
        "--token a --token-file b filter list",
        "cannot be used with",
    );
}

#[test]
fn versions_are_numbers_or_ids() {
    let id = "0123456789abcdef".repeat(4);
    for (text, expected) in [
        ("3", VersionRef::Number(3)),
        ("v3", VersionRef::Number(3)),
        (id.as_str(), VersionRef::Id(id.parse().unwrap())),
    ] {
        let FilterCommand::Activate(activate) = filter(&format!("activate auth {text}")) else {
            panic!("{text}")
        };
        assert_eq!(activate.version, expected);
    }
    refused("filter activate auth 0", "is no version");
    refused("filter activate auth latest", "is no version");
    refused("filter activate Auth 1", "no filter name");
}

#[test]
fn activations_are_bounded() {
    let FilterCommand::Activate(activate) =
        filter("activate auth 3 --percent 5 --bake 0 --if-generation 9 --no-wait")
    else {
        panic!()
    };
    assert_eq!(activate.percent, Some(5));
    assert_eq!(activate.bake, Some(0));
    assert_eq!(activate.if_generation, Some(9));
    assert!(activate.waiting.no_wait);
    refused("filter activate auth 3 --percent 0", "1..=100");
    refused("filter activate auth 3 --percent 101", "1..=100");
    refused("filter activate auth 3 --bake 86401", "86400");
    refused("filter activate auth 3 --wait 0", "1..=3600");
}

#[test]
fn a_push_is_a_project_or_two_files() {
    let FilterCommand::Push(push) = filter("push") else {
        panic!()
    };
    assert_eq!(push.component.dir, PathBuf::from("."));
    assert_eq!(push.waiting.wait, 30);
    let FilterCommand::Push(push) = filter("push --component a.wasm --manifest filter.toml") else {
        panic!()
    };
    assert_eq!(push.component.component, Some(PathBuf::from("a.wasm")));
    refused("filter push --component a.wasm", "--manifest");
    refused(
        "filter push here --component a --manifest b",
        "cannot be used with",
    );
    refused("filter push --percent 5", "--activate");
    refused("filter push --activate --shadow", "cannot be used with");
    refused("filter push --key-id x", "--sign-key");
}

#[test]
fn shadows_end_with_off() {
    let FilterCommand::Shadow(shadow) = filter("shadow auth off") else {
        panic!()
    };
    assert_eq!(shadow.version, ShadowVersion(None));
    let FilterCommand::Shadow(shadow) = filter("shadow auth v2") else {
        panic!()
    };
    assert_eq!(shadow.version, ShadowVersion(Some(VersionRef::Number(2))));
    refused("filter shadow auth none", "or off");
}

#[test]
fn revocations_name_something() {
    let FilterCommand::Revoke(revoke) = filter("revoke user u-17 --seconds 60") else {
        panic!()
    };
    assert_eq!(revoke.kind, Kind::User);
    assert_eq!(revoke.value.as_deref(), Some("u-17"));
    assert!(matches!(filter("revoke all"), FilterCommand::Revoke(_)));
    refused("filter revoke user", "VALUE");
    refused("filter revoke room x", "room");
    refused("filter revoke user x --seconds 0", "1..=2592000");
}

#[test]
fn languages_have_short_names() {
    for (text, language) in [
        ("rust", Language::Rust),
        ("js", Language::Javascript),
        ("javascript", Language::Javascript),
        ("py", Language::Python),
    ] {
        let FilterCommand::New(new) = filter(&format!("new mine --lang {text}")) else {
            panic!()
        };
        assert_eq!(new.lang, language);
        assert_eq!(new.hook, NewHook::Http);
    }
    refused("filter new mine --lang cobol", "cobol");
}

#[test]
fn what_is_purged() {
    let path = |line: &str| match parse(line).unwrap().command {
        Command::Purge(purge) => purge.path,
        other => panic!("{other:?}"),
    };
    assert_eq!(path("purge /live/a/b.mp4").unwrap(), "/live/a/b.mp4");
    assert_eq!(
        path("purge https://edge:8443/live/a/i.m3u8?_HLS_msn=1").unwrap(),
        "/live/a/i.m3u8?_HLS_msn=1"
    );
    assert_eq!(path("purge --stream demo --node http://edge:9443"), None);
    refused("purge", "required");
    refused("purge live/a", "neither a URL nor a path");
    refused("purge /a --stream b", "cannot be used with");
}

#[test]
fn credits_are_whole_and_something() {
    let credit = |line: &str| match parse(line).unwrap().command {
        Command::User(UserCommand::Credit(credit)) => credit,
        other => panic!("{other:?}"),
    };
    let given = credit("user credit alice 500 --note sorry");
    assert_eq!((given.amount, given.key), (500, None));
    let taken = credit("user credit alice -20 --note oops --key k-1");
    assert_eq!((taken.amount, taken.key.as_deref()), (-20, Some("k-1")));
    refused("user credit alice 500", "--note");
    refused("user credit alice 0 --note x", "nothing to give");
    refused("user credit alice 1.5 --note x", "not a whole number");
    let long = "k".repeat(65);
    refused(
        &format!("user credit alice 1 --note x --key {long}"),
        "1 to 64",
    );
}

#[test]
fn roles_are_of_everywhere_or_of_a_room() {
    let role = |line: &str| match parse(line).unwrap().command {
        Command::User(UserCommand::Grant(role) | UserCommand::Revoke(role)) => role,
        other => panic!("{other:?}"),
    };
    assert_eq!(role("user grant alice staff").room, None);
    let room = role("user revoke alice moderator --room demo");
    assert_eq!(room.room.as_deref(), Some("demo"));
    refused("user grant alice", "ROLE");
}

#[test]
fn passwords_are_never_typed_as_arguments() {
    refused("user set-password alice secret", "unexpected argument");
}

#[test]
fn pages_and_files_of_the_ledger() {
    let ledger = |line: &str| match parse(line).unwrap().command {
        Command::Ledger(command) => command,
        other => panic!("{other:?}"),
    };
    let LedgerCommand::History(history) = ledger("ledger history coin:u-1 --before 9 --all") else {
        panic!()
    };
    assert_eq!(history.paging.before, Some(9));
    assert_eq!((history.paging.limit, history.paging.all), (50, true));
    let LedgerCommand::Export(saving) = ledger("ledger export --to x --force") else {
        panic!()
    };
    assert!(saving.force);
    refused("ledger export --force", "--to");
    refused("ledger history coin:u-1 --limit 0", "1..=1000");
    refused("ledger balance", "ACCOUNT");
    refused("gift list --state lost", "given");
    refused("gift refund g1", "--reason");
}
