//! An author's folder: `filter.toml`, sources, cases, and what was built of them.
//!
//! It reads files and runs nothing.

use std::path::{Path, PathBuf};

use wasm_filters::manifest::{Limits, Manifest};

use crate::args::Language;
use crate::failure::Failure;

/// The manifest's file in an author's folder.
pub(crate) const MANIFEST_FILE: &str = "filter.toml";

/// A folder with a filter.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    /// The folder, absolute.
    pub(crate) dir: PathBuf,
    /// What it is written in.
    pub(crate) language: Language,
}

impl Project {
    /// Looks at a folder.
    ///
    /// # Errors
    /// There is no filter in it.
    pub(crate) fn open(dir: &Path) -> Result<Self, Failure> {
        let refuse = |reason: String| Failure::usage(format!("{}: {reason}", dir.display()));
        let absolute = dir
            .canonicalize()
            .map_err(|error| refuse(error.to_string()))?;
        if !absolute.join(MANIFEST_FILE).is_file() {
            return Err(refuse(format!(
                "there is no {MANIFEST_FILE}; `weirctl filter new NAME` writes a project"
            )));
        }
        let language = language(&absolute).ok_or_else(|| {
            refuse(
                "there is no Cargo.toml (Rust), filter.js (JavaScript) or app.py (Python)"
                    .to_owned(),
            )
        })?;
        Ok(Self {
            dir: absolute,
            language,
        })
    }

    /// Reads the manifest.
    ///
    /// # Errors
    /// It cannot be read, or is none; file, line and reason.
    pub(crate) fn manifest(&self) -> Result<Manifest, Failure> {
        read_manifest(&self.dir.join(MANIFEST_FILE))
    }

    /// Where the contract lies: in the project, or in a folder around it that several share.
    pub(crate) fn wit(&self) -> PathBuf {
        let around = self.dir.ancestors().map(|folder| folder.join("wit"));
        let files = ["world.wit", "filter.wit"];
        let mut there = around.filter(|wit| files.iter().any(|file| wit.join(file).is_file()));
        there.next().unwrap_or_else(|| self.dir.join("wit"))
    }

    /// Whether a change of this file can change the component or its tests.
    pub(crate) fn concerns(&self, path: &Path) -> bool {
        let Ok(inside) = path.strip_prefix(&self.dir) else {
            return false;
        };
        let mut parts = inside.components().map(|part| part.as_os_str());
        let built = ["target", "build", "node_modules"];
        let hidden = |name: &std::ffi::OsStr| {
            let name = name.to_string_lossy();
            // Editors' own files, .git and .tools; vim writes 4913 to see whether it may.
            name.starts_with('.') || name.ends_with('~') || name == "4913" || name == "__pycache__"
        };
        let top = inside.components().next();
        let top = top.map(|part| part.as_os_str().to_string_lossy().into_owned());
        top.is_some_and(|top| !built.contains(&top.as_str())) && !parts.any(hidden)
    }
}

fn language(dir: &Path) -> Option<Language> {
    let marks = [
        ("Cargo.toml", Language::Rust),
        ("filter.js", Language::Javascript),
        ("app.py", Language::Python),
    ];
    let found = marks.iter().find(|(mark, _)| dir.join(mark).is_file());
    found.map(|(_, language)| *language)
}

/// Reads a manifest: JSON where the file's name says so, else TOML.
///
/// # Errors
/// It cannot be read, is no manifest, or asks for more than any node gives.
pub(crate) fn read_manifest(path: &Path) -> Result<Manifest, Failure> {
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    let manifest: Manifest = if is_json {
        let named = |reason: String| Failure::failed(format!("{}: {reason}", path.display()));
        let text = std::fs::read(path).map_err(|error| named(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|error| named(error.to_string()))?
    } else {
        settings::load(path, Ok).map_err(Failure::failed)?
    };
    manifest
        .validate(&Limits::NODE_MAX)
        .map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    const LEAST: &str = "name = \"mine\"\nversion = \"1\"\nhooks = [\"auth\"]\n";

    #[test]
    fn the_language_is_told_by_the_files() {
        for (mark, language) in [
            ("Cargo.toml", Language::Rust),
            ("filter.js", Language::Javascript),
            ("app.py", Language::Python),
        ] {
            let directory = project(&[(MANIFEST_FILE, LEAST), (mark, "")]);
            let project = Project::open(directory.path()).unwrap();
            assert_eq!(project.language, language);
            assert_eq!(project.manifest().unwrap().name.as_str(), "mine");
        }
    }

    #[test]
    fn a_folder_without_a_filter_is_refused() {
        let line = |directory: &tempfile::TempDir| {
            Project::open(directory.path()).unwrap_err().line().unwrap()
        };
        assert!(line(&project(&[])).contains("filter new"));
        assert!(line(&project(&[(MANIFEST_FILE, LEAST)])).contains("Cargo.toml"));
    }

    #[test]
    fn a_wrong_manifest_is_refused_with_its_line() {
        let wrong = format!("{LEAST}colour = 1\n");
        let directory = project(&[(MANIFEST_FILE, &wrong), ("Cargo.toml", "")]);
        let project = Project::open(directory.path()).unwrap();
        let line = project.manifest().unwrap_err().line().unwrap();
        assert!(line.contains("filter.toml:4: unknown field"), "{line}");
    }

    #[test]
    fn what_is_built_does_not_count_as_a_change() {
        let directory = project(&[(MANIFEST_FILE, LEAST), ("Cargo.toml", "")]);
        let project = Project::open(directory.path()).unwrap();
        let concerns = |path: &str| project.concerns(&project.dir.join(path));
        for path in [
            "src/lib.rs",
            "filter.toml",
            "cases/a.json",
            "Cargo.toml",
            "src/target.rs",
        ] {
            assert!(concerns(path), "{path}");
        }
        for path in [
            "target/x",
            "build/x.wasm",
            ".git/index",
            "src/.lib.rs.swp",
            "src/lib.rs~",
            "4913",
            "__pycache__/x.pyc",
        ] {
            assert!(!concerns(path), "{path}");
        }
        assert!(!project.concerns(Path::new("/elsewhere/src/lib.rs")));
    }
}
