//! `weirctl filter new`: a project that builds, passes its tests and can be pushed.
//!
//! The files come from `wasm-filters/templates`, and the contract is copied in, so that a project
//! needs nothing of Weir but `weirctl`.

mod templates;

use std::path::{Path, PathBuf};

use serde::Serialize;
use wasm_filters::manifest::FilterName;

use crate::args::{Language, New, NewHook};
use crate::failure::Failure;
use crate::output::Output;

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    dir: PathBuf,
    files: Vec<&'static str>,
}

/// `filter new`
///
/// # Errors
/// The folder is there already, or cannot be written.
pub(crate) fn run(output: Output, new: &New) -> Result<(), Failure> {
    let dir = match &new.dir {
        Some(dir) => dir.clone(),
        None => PathBuf::from(new.name.as_str()),
    };
    let files = files(&new.name, new.lang, new.hook);
    write(&dir, &files)?;
    let written = Written {
        dir,
        files: files.iter().map(|(path, _)| *path).collect(),
    };
    output.show(&written, |written, _| {
        let dir = written.dir.display();
        format!(
            "wrote a {} filter for {} into {dir}: {}\nnext: weirctl filter test {dir}",
            new.lang.as_str(),
            new.hook.as_str(),
            written.files.join(", ")
        )
    })
}

/// The project's files, by their path in it.
fn files(name: &FilterName, language: Language, hook: NewHook) -> Vec<(&'static str, String)> {
    let fill = |text: &str| {
        text.replace("{{name}}", name.as_str())
            .replace("{{world}}", templates::world(hook))
            .replace("{{limits}}\n", templates::limits(language))
    };
    let mut files = vec![
        (".gitignore", fill(templates::GITIGNORE)),
        ("README.md", fill(templates::README)),
        ("filter.toml", fill(templates::manifest(hook))),
        (
            templates::source_path(language),
            fill(templates::source(language, hook)),
        ),
        ("cases/cases.json", fill(templates::cases(hook))),
        ("wit/world.wit", fill(templates::WORLD)),
        // As it is: braces in it are its own.
        (
            "wit/deps/weir-filter/filter.wit",
            templates::CONTRACT.to_owned(),
        ),
    ];
    if language == Language::Rust {
        files.push(("Cargo.toml", fill(templates::CARGO)));
    }
    files
}

/// Into a new folder, or an empty one: nothing is written over.
fn write(dir: &Path, files: &[(&str, String)]) -> Result<(), Failure> {
    let named = |path: &Path, error: &dyn std::fmt::Display| {
        Failure::failed(format!("{}: {error}", path.display()))
    };
    match std::fs::read_dir(dir).map(|mut entries| entries.next().is_some()) {
        Ok(true) => return Err(named(dir, &"is there already, and is not empty")),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(named(dir, &error));
        }
        Ok(false) | Err(_) => {}
    }
    for (inside, text) in files {
        let path = dir.join(inside);
        let parent = path.parent().unwrap_or(dir);
        std::fs::create_dir_all(parent).map_err(|error| named(parent, &error))?;
        std::fs::write(&path, text).map_err(|error| named(&path, &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use wasm_filters::manifest::{Limits, Manifest};

    use super::*;
    use crate::author::{cases, project::Project};

    const LANGUAGES: [Language; 3] = [Language::Rust, Language::Javascript, Language::Python];
    const HOOKS: [NewHook; 4] = [NewHook::Auth, NewHook::Chat, NewHook::Gifts, NewHook::Http];

    #[test]
    fn every_template_is_a_project_with_a_good_manifest_and_cases() {
        for language in LANGUAGES {
            for hook in HOOKS {
                let directory = tempfile::tempdir().unwrap();
                let dir = directory.path().join("mine");
                let files = files(&"mine".parse().unwrap(), language, hook);
                for (path, text) in &files {
                    let is_contract = path.ends_with("filter.wit");
                    assert!(
                        is_contract || !text.contains("{{"),
                        "{path} of {language:?} {hook:?}"
                    );
                }
                write(&dir, &files).unwrap();
                let project = Project::open(&dir).unwrap();
                assert_eq!(project.language, language);
                let manifest: Manifest = project.manifest().unwrap();
                manifest.validate(&Limits::NODE_MAX).unwrap();
                assert_eq!(manifest.name.as_str(), "mine");
                assert!(!manifest.samples.is_empty(), "{language:?} {hook:?}");
                assert!(
                    cases::all(&manifest, &project.dir).unwrap().len() > manifest.samples.len()
                );
            }
        }
    }

    #[test]
    fn nothing_is_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path().join("mine");
        let files = files(&"mine".parse().unwrap(), Language::Python, NewHook::Chat);
        std::fs::create_dir(&dir).unwrap();
        write(&dir, &files).unwrap();
        std::fs::write(dir.join("app.py"), "mine").unwrap();
        let failure = write(&dir, &files).unwrap_err();
        assert!(failure.line().unwrap().contains("not empty"));
        assert_eq!(std::fs::read(dir.join("app.py")).unwrap(), b"mine");
    }
}
