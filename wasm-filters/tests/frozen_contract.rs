//! Filters that were built against an older version of the contract go on working: `wit/README.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::json;
use wasm_filters::contract::auth::{Action, Decision, Request};
use wasm_filters::contract::chat::Verdict;
use wasm_filters::contract::gifts::{Decision as GiftDecision, Gift};
use wasm_filters::contract::http::{self, RequestAction, ResponseAction};
use wasm_filters::contract::types::{ClientInfo, Command, Roles};
use wasm_filters::manifest::Hook;
use wit_parser::{Function, Resolve, Type, TypeDefKind, TypeOwner, WorldItem};

use crate::support::{context, guest, host, manifest, message, prepare, user};

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one call of each function")]
async fn a_filter_of_the_previous_contract_loads_and_answers() {
    let wasm = guest("previous-contract");
    let text = String::from_utf8_lossy(&wasm);
    assert!(
        text.contains("weir:filter/chat@1.0.0"),
        "the guest is built against 1.0.0"
    );
    assert!(!text.contains("weir:filter/chat@1.1.0"));
    let host = host();
    let manifest = manifest("previous", &Hook::ALL, json!({}));
    let version = prepare(&host, &wasm, manifest)
        .await
        .expect("an old filter is good");

    let ctx = context();
    let decision = version
        .authorize(&ctx, &auth_request())
        .await
        .expect("an answer");
    let Decision::Allow(grant) = decision else {
        panic!("{decision:?}")
    };
    assert_eq!(grant.user.id, "show");
    assert_eq!(grant.user.roles, Roles::VIP | Roles::MUTED);
    assert_eq!(
        (grant.expires_at_ms, grant.cache_ms),
        (Some(4_000_000_000_000), 5)
    );

    for expected in ["1: 32 bytes", "2: 32 bytes"] {
        let outcome = version
            .on_message(&ctx, &message("hello"))
            .await
            .expect("an answer");
        assert_eq!(outcome.verdict, Verdict::Hold(expected.to_owned()));
        assert_eq!(outcome.commands, [Command::SlowMode(250)]);
    }
    assert_eq!(
        version
            .on_join(&ctx, &user("ann"))
            .await
            .expect("an answer"),
        []
    );
    assert_eq!(
        version
            .catalog(&ctx, &user("ann"))
            .await
            .expect("an answer"),
        []
    );
    let gift = Gift {
        id: "g1".to_owned(),
        sender: user("ann"),
        recipient: "bob".to_owned(),
        item: "rose".to_owned(),
        count: 1,
        note: None,
        combo_so_far: 0,
        attrs: vec![],
    };
    let decision = version.on_gift(&ctx, &gift).await.expect("an answer");
    let GiftDecision::Reject(rejection) = decision else {
        panic!("{decision:?}")
    };
    assert_eq!(
        (rejection.message.as_str(), rejection.retry_after_ms),
        ("rose", Some(1000))
    );

    let outcome = version
        .on_request(&ctx, &http_request())
        .await
        .expect("an answer");
    assert_eq!((outcome.action, outcome.cache_ms), (RequestAction::Next, 1));
    let head = http::ResponseHead {
        status: 200,
        headers: vec![],
    };
    let outcome = version
        .on_response(&ctx, &http_request(), &head)
        .await
        .expect("an answer");
    assert_eq!(
        (outcome.action, outcome.cache_ms),
        (ResponseAction::Next, 1)
    );
}

fn client() -> ClientInfo {
    ClientInfo {
        ip: "192.0.2.1".to_owned(),
        country: None,
        user_agent: None,
        referer: None,
        origin: None,
        protocol: "h3".to_owned(),
        tls: true,
        attrs: vec![],
    }
}

fn auth_request() -> Request {
    Request {
        action: Action::Play,
        app: "live".to_owned(),
        stream: "show".to_owned(),
        credentials: vec![],
        query: vec![],
        headers: vec![],
        client: client(),
    }
}

fn http_request() -> http::Request {
    http::Request {
        method: "GET".to_owned(),
        host: "example.org".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        headers: vec![],
        client: client(),
    }
}

/// The contract as text that can be compared: functions and types by `interface.name`, each written
/// out, and which interfaces the world with everything exports.
struct Contract {
    functions: BTreeMap<String, String>,
    types: BTreeMap<String, String>,
    exports: BTreeSet<String>,
    imports: BTreeSet<String>,
}

impl Contract {
    fn read(path: &Path) -> Self {
        let mut resolve = Resolve::default();
        let package = resolve.push_file(path).expect("a package");
        let (mut functions, mut types) = (BTreeMap::new(), BTreeMap::new());
        for (name, id) in &resolve.packages[package].interfaces {
            let interface = &resolve.interfaces[*id];
            for (function, what) in &interface.functions {
                functions.insert(format!("{name}.{function}"), signature(&resolve, what));
            }
            for (ty, id) in &interface.types {
                types.insert(
                    format!("{name}.{ty}"),
                    definition(&resolve, &resolve.types[*id].kind),
                );
            }
        }
        let world = resolve.packages[package].worlds["any-filter"];
        let world = &resolve.worlds[world];
        let names = |items: Vec<&WorldItem>| {
            let name = |item: &WorldItem| match item {
                WorldItem::Interface { id, .. } => resolve.interfaces[*id].name.clone(),
                _ => None,
            };
            items.into_iter().filter_map(name).collect()
        };
        Self {
            exports: names(world.exports.values().collect()),
            imports: names(world.imports.values().collect()),
            functions,
            types,
        }
    }

    fn of_interface<'a>(&'a self, interface: &'a str) -> BTreeMap<&'a str, &'a str> {
        let prefix = format!("{interface}.");
        let all = self.functions.iter().chain(&self.types);
        all.filter(|(name, _)| name.starts_with(&prefix))
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect()
    }
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let parameters: Vec<String> = function
        .params
        .iter()
        .map(|parameter| format!("{}: {}", parameter.name, reference(resolve, &parameter.ty)))
        .collect();
    let result = function.result.as_ref().map(|ty| reference(resolve, ty));
    format!(
        "({}) -> {}",
        parameters.join(", "),
        result.unwrap_or_default()
    )
}

/// A type where it is used: a named one by its name, without a version.
fn reference(resolve: &Resolve, ty: &Type) -> String {
    let Type::Id(id) = ty else {
        return format!("{ty:?}");
    };
    let def = &resolve.types[*id];
    match (&def.name, &def.owner) {
        (Some(name), TypeOwner::Interface(owner)) => {
            let owner = resolve.interfaces[*owner].name.clone().unwrap_or_default();
            format!("{owner}.{name}")
        }
        _ => definition(resolve, &def.kind),
    }
}

fn definition(resolve: &Resolve, kind: &TypeDefKind) -> String {
    let of = |ty: &Type| reference(resolve, ty);
    let maybe = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".to_owned(), of);
    match kind {
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter();
            let fields: Vec<_> = fields
                .map(|f| format!("{}: {}", f.name, of(&f.ty)))
                .collect();
            format!("record {{ {} }}", fields.join(", "))
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter();
            let cases: Vec<_> = cases
                .map(|c| format!("{}({})", c.name, maybe(&c.ty)))
                .collect();
            format!("variant {{ {} }}", cases.join(", "))
        }
        TypeDefKind::Enum(names) => {
            let names: Vec<_> = names.cases.iter().map(|case| case.name.as_str()).collect();
            format!("enum {{ {} }}", names.join(", "))
        }
        TypeDefKind::Flags(flags) => {
            let names: Vec<_> = flags.flags.iter().map(|flag| flag.name.as_str()).collect();
            format!("flags {{ {} }}", names.join(", "))
        }
        TypeDefKind::Tuple(tuple) => {
            let types: Vec<_> = tuple.types.iter().map(of).collect();
            format!("tuple<{}>", types.join(", "))
        }
        TypeDefKind::Option(ty) => format!("option<{}>", of(ty)),
        TypeDefKind::List(ty) => format!("list<{}>", of(ty)),
        TypeDefKind::Result(result) => {
            format!("result<{}, {}>", maybe(&result.ok), maybe(&result.err))
        }
        TypeDefKind::Type(ty) => of(ty),
        other => panic!("the contract has no {}", other.as_str()),
    }
}

/// What of a frozen contract is no longer as it was.
fn broken(frozen: &Contract, current: &Contract) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, was) in frozen.functions.iter().chain(&frozen.types) {
        let is = current
            .functions
            .get(name)
            .or_else(|| current.types.get(name));
        if is != Some(was) {
            broken.push(format!("{name}\n  was {was}\n  is  {is:?}"));
        }
    }
    // A filter that lacks a function of an interface it exports does not load.
    for interface in &frozen.exports {
        if frozen.of_interface(interface) != current.of_interface(interface) {
            broken.push(format!("{interface} is exported, and has changed"));
        }
        if !current.exports.contains(interface) {
            broken.push(format!("{interface} is no longer exported"));
        }
    }
    if !frozen.imports.is_subset(&current.imports) {
        broken.push(format!(
            "imports were {:?}, are {:?}",
            frozen.imports, current.imports
        ));
    }
    broken
}

fn wit(file: &str) -> Contract {
    Contract::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("wit").join(file))
}

#[test]
fn every_frozen_contract_is_in_the_current_one() {
    let current = wit("filter.wit");
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("wit/frozen");
    let mut count = 0;
    for entry in std::fs::read_dir(dir).expect("frozen contracts") {
        let frozen = Contract::read(&entry.expect("an entry").path());
        let broken = broken(&frozen, &current);
        assert!(
            broken.is_empty(),
            "filters in use would break:\n{}",
            broken.join("\n")
        );
        assert!(
            frozen.functions.len() > 20 && frozen.types.len() > 40,
            "it was read whole"
        );
        count += 1;
    }
    assert!(count > 0);
}

/// That the comparison sees what it is for.
#[test]
fn a_change_that_breaks_filters_is_seen() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("wit/filter.wit");
    let text = std::fs::read_to_string(path).expect("the contract");
    let current = wit("filter.wit");
    let dir = tempfile::tempdir().expect("a directory");
    for (from, to, breaks) in [
        ("tls: bool,", "tls: bool, more: bool,", true),
        ("enum action { play,", "enum action { watch, play,", true),
        (
            "sha256: func(data: list<u8>)",
            "sha256: func(data: string)",
            true,
        ),
        (
            "on-leave: func",
            "on-nap: func(ctx: context); on-leave: func",
            true,
        ),
        (
            "on-leave: func(ctx: context, who: user)",
            "on-leave: func(who: user)",
            true,
        ),
        (
            "sha256: func",
            "sha512: func(data: list<u8>) -> list<u8>; sha256: func",
            false,
        ),
    ] {
        assert!(text.contains(from), "{from}");
        let path = dir.path().join("changed.wit");
        std::fs::write(&path, text.replacen(from, to, 1)).expect("to write");
        let broken = broken(&current, &Contract::read(&path));
        assert_eq!(!broken.is_empty(), breaks, "{to}: {broken:?}");
    }
}
