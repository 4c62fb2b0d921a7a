//! Rules about the tree itself (CONTRIBUTING.md) that no compiler checks.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use cargo_metadata::MetadataCommand;

/// No file of source is longer. Past 500 lines it should be split already.
const FILE_LINES_MAX: usize = 800;

/// What is made by tools, or by running Weir.
const NOT_OURS: [&str; 10] = [
    ".git",
    ".state",
    ".tools",
    "artifacts",
    "bench-out",
    "corpus",
    "coverage",
    "dist",
    "node_modules",
    "target",
];

const SOURCE_EXTENSIONS: [&str; 8] = ["css", "html", "js", "mjs", "py", "rs", "sh", "ts"];

/// Written in two halves, so that this file does not find itself.
const UNFINISHED: [&str; 2] = [concat!("todo", "!("), concat!("unimplemented", "!(")];

#[test]
fn no_source_file_is_too_long() -> anyhow::Result<()> {
    let mut problems = Vec::new();
    for file in source_files()? {
        let lines = fs::read_to_string(&file)?.lines().count();
        if lines > FILE_LINES_MAX {
            problems.push(format!("{}: {lines} lines", file.display()));
        }
    }
    assert!(
        problems.is_empty(),
        "longer than {FILE_LINES_MAX} lines:\n{}",
        problems.join("\n")
    );
    Ok(())
}

#[test]
fn nothing_is_left_unfinished() -> anyhow::Result<()> {
    let mut problems = Vec::new();
    for file in source_files()? {
        if file.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        for (at, line) in fs::read_to_string(&file)?.lines().enumerate() {
            if UNFINISHED
                .iter()
                .any(|macro_name| line.contains(macro_name))
            {
                problems.push(format!("{}:{}: {}", file.display(), at + 1, line.trim()));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

#[test]
fn crates_are_named_after_their_folder_and_take_the_lints() -> anyhow::Result<()> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cargo metadata")?;
    for package in metadata.workspace_packages() {
        let folder = package.manifest_path.parent().context("no folder")?;
        assert_eq!(folder.file_name(), Some(package.name.as_str()), "{folder}");
        let manifest: toml::Table = fs::read_to_string(&package.manifest_path)?.parse()?;
        let inherited = manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"))
            .and_then(toml::Value::as_bool);
        assert_eq!(
            inherited,
            Some(true),
            "{}: [lints] workspace = true",
            package.manifest_path
        );
    }
    Ok(())
}

#[test]
fn every_configuration_file_is_toml() -> anyhow::Result<()> {
    let mut files = Vec::new();
    walk(&root().join("config"), &mut files)?;
    // What other programs read; `tests/dashboards.rs` looks at those of Grafana.
    files.retain(|file| !file.starts_with(root().join("config/deploy")));
    assert!(!files.is_empty());
    for file in files {
        assert_eq!(
            file.extension().and_then(|e| e.to_str()),
            Some("toml"),
            "{}",
            file.display()
        );
        let text = fs::read_to_string(&file)?;
        text.parse::<toml::Table>()
            .with_context(|| file.display().to_string())?;
    }
    Ok(())
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn source_files() -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    walk(root(), &mut files)?;
    files.retain(|file| {
        file.extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| SOURCE_EXTENSIONS.contains(&extension))
    });
    assert!(files.len() > 20, "the tree was not found: {files:?}");
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name();
        let kind = entry.file_type()?;
        if kind.is_file() {
            files.push(entry.path());
        } else if kind.is_dir() && !NOT_OURS.iter().any(|not_ours| name == *not_ours) {
            walk(&entry.path(), files)?;
        }
    }
    Ok(())
}
