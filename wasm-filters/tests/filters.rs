//! Tests of the host with real components in real engines.
//!
//! They are one binary, because linking one takes longer than running all of them.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod calls;
mod chat_and_gifts;
mod compile;
mod engine;
mod frozen_contract;
mod grants;
mod hostile;
mod node;
mod probe;
mod support;
mod swap;
mod upkeep;

/// Cargo does not find the files of this folder by itself.
#[test]
fn no_test_is_forgotten() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut forgotten = vec![];
    for entry in std::fs::read_dir(dir).expect("the folder of tests") {
        let path = entry.expect("an entry").path();
        let is_test = path.extension().is_some_and(|extension| extension == "rs");
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let module = include_str!("filters.rs").contains(&format!("mod {name};"));
        let target = include_str!("../Cargo.toml").contains(&format!("tests/{name}.rs"));
        if is_test && !module && !target {
            forgotten.push(name);
        }
    }
    assert_eq!(forgotten, Vec::<String>::new());
}
