//! JavaScript and Python: a tool puts the language's interpreter and the sources into a component.
//!
//! The tools lie in a folder `.tools` of the project, or of a folder around it, in the versions
//! that the lock files say. They are fetched once, by npm and pip. `scripts/filters.sh` uses the
//! same folder in the same way.

use std::path::{Path, PathBuf};

use tokio::process::Command;
use wasm_filters::manifest::{Hook, Manifest};

use super::run_tool;
use crate::author::project::Project;
use crate::failure::Failure;

const NPM_PACKAGE: &str = include_str!("../../../../../wasm-filters/filters/tools/package.json");
const NPM_LOCK: &str = include_str!("../../../../../wasm-filters/filters/tools/package-lock.json");
const PIP_REQUIREMENTS: &str =
    include_str!("../../../../../wasm-filters/filters/tools/requirements.txt");
/// Which lock file a folder was installed from.
const INSTALLED: &str = ".installed";

/// Builds with componentize-qjs.
pub(super) async fn javascript(project: &Project) -> Result<PathBuf, Failure> {
    let manifest = project.manifest()?;
    let tools = tools(&project.dir, "javascript");
    install_javascript(&tools).await?;
    let output = place(project, &manifest)?;
    let world = world(&project.wit(), &manifest);
    let mut tool = Command::new(tools.join("node_modules/.bin/componentize-qjs"));
    tool.current_dir(&project.dir)
        .arg("--wit")
        .arg(project.wit())
        .args(["--world", world, "--js"])
        .arg(project.dir.join("filter.js"))
        // Stubs instead of WASI, which gives a filter nothing anyway; and no asynchronous calls,
        // for which a component would need what nodes leave out.
        .args(["--sync", "--stub-wasi", "--output"])
        .arg(&output);
    run_tool(&mut tool, "componentize-qjs").await?;
    Ok(output)
}

/// Builds with componentize-py.
pub(super) async fn python(project: &Project) -> Result<PathBuf, Failure> {
    let manifest = project.manifest()?;
    let tools = tools(&project.dir, "python");
    install_python(&tools).await?;
    let output = place(project, &manifest)?;
    let world = world(&project.wit(), &manifest);
    let mut tool = Command::new(tools.join("bin/componentize-py"));
    tool.current_dir(&project.dir)
        .env("PYTHONPATH", packages(&tools))
        .arg("--wit-path")
        .arg(project.wit())
        .args(["--world", world, "componentize", "--python-path"])
        .arg(&project.dir)
        .args(["--stub-wasi", "--output"])
        .arg(&output)
        .arg("app");
    run_tool(&mut tool, "componentize-py").await?;
    Ok(output)
}

/// Where the component of either goes.
pub(super) fn output(project: &Project) -> Result<PathBuf, Failure> {
    Ok(path(project, &project.manifest()?))
}

fn path(project: &Project, manifest: &Manifest) -> PathBuf {
    let file = format!("{}.wasm", manifest.name);
    project.dir.join("build").join(file)
}

fn place(project: &Project, manifest: &Manifest) -> Result<PathBuf, Failure> {
    make_dir(&project.dir.join("build"))?;
    Ok(path(project, manifest))
}

/// The project's own world; in a folder of the contract alone, that one of its worlds which exports
/// what the hooks need, and as little else as can be.
fn world(wit: &Path, manifest: &Manifest) -> &'static str {
    if wit.join("world.wit").is_file() {
        return "filter";
    }
    let mut interfaces: Vec<_> = manifest.hooks.iter().map(|hook| hook.interface()).collect();
    interfaces.dedup();
    match (manifest.hooks.first(), interfaces.len()) {
        (Some(Hook::Auth), 1) => "auth-filter",
        (Some(Hook::Chat), 1) => "chat-filter",
        (Some(Hook::Gifts), 1) => "gift-filter",
        (Some(Hook::HttpRequest | Hook::HttpResponse), 1) => "http-filter",
        _ => "any-filter",
    }
}

async fn install_javascript(tools: &Path) -> Result<(), Failure> {
    if is_installed(tools, NPM_LOCK) {
        return Ok(());
    }
    make_dir(tools)?;
    write(&tools.join("package.json"), NPM_PACKAGE)?;
    write(&tools.join("package-lock.json"), NPM_LOCK)?;
    let mut npm = Command::new("npm");
    // Not `npm ci`: the package names builds for platforms that were never published, and `ci`
    // takes their absence from the lock file for a mistake. `install` obeys the file as well.
    npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"])
        .arg(tools);
    run_tool(&mut npm, "npm install, which fetches componentize-qjs,").await?;
    write(&tools.join(INSTALLED), NPM_LOCK)
}

async fn install_python(tools: &Path) -> Result<(), Failure> {
    if is_installed(tools, PIP_REQUIREMENTS) {
        return Ok(());
    }
    make_dir(tools)?;
    let requirements = tools.join("requirements.txt");
    write(&requirements, PIP_REQUIREMENTS)?;
    let fetch = "pip install, which fetches componentize-py,";
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(tools);
    // On Debian venv is there without python3-venv, but cannot put pip into what it makes.
    let pip = if run_tool(&mut venv, "python3 -m venv").await.is_ok() {
        let mut pip = Command::new(tools.join("bin/python"));
        pip.args(["-m", "pip", "install"]);
        pip
    } else {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--target"])
            .arg(packages(tools));
        link_python(tools)?;
        pip
    };
    let mut pip = pip;
    pip.args(["--quiet", "--disable-pip-version-check", "--require-hashes"])
        .args(["--only-binary=:all:", "-r"])
        .arg(&requirements);
    run_tool(&mut pip, fetch).await?;
    write(&tools.join(INSTALLED), PIP_REQUIREMENTS)
}

/// Where `pip install --target` puts packages, which Python then has to be told.
fn packages(tools: &Path) -> PathBuf {
    tools.join("packages")
}

/// Puts the program where a virtual environment would have it.
fn link_python(tools: &Path) -> Result<(), Failure> {
    let link = tools.join("bin/componentize-py");
    make_dir(&tools.join("bin"))?;
    match std::os::unix::fs::symlink("../packages/bin/componentize-py", &link) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Failure::failed(format!("{}: {error}", link.display())))
        }
        _ => Ok(()),
    }
}

fn is_installed(tools: &Path, lock: &str) -> bool {
    std::fs::read_to_string(tools.join(INSTALLED)).is_ok_and(|installed| installed == lock)
}

/// Where a language's tool is installed in the nearest `.tools`, so that projects can share one;
/// else in the project's own.
fn tools(dir: &Path, language: &str) -> PathBuf {
    let around = dir
        .ancestors()
        .map(|folder| folder.join(".tools").join(language));
    let mut there = around.filter(|tools| tools.join(INSTALLED).is_file());
    there
        .next()
        .unwrap_or_else(|| dir.join(".tools").join(language))
}

fn make_dir(dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir)
        .map_err(|error| Failure::failed(format!("{}: {error}", dir.display())))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_share_the_tools_of_a_folder_around_them() {
        let directory = tempfile::tempdir().unwrap();
        let project = directory.path().join("a/b");
        std::fs::create_dir_all(&project).unwrap();
        let own = project.join(".tools/python");
        assert_eq!(tools(&project, "python"), own);
        let shared = directory.path().join(".tools/python");
        std::fs::create_dir_all(&shared).unwrap();
        assert_eq!(tools(&project, "python"), own, "nothing is installed there");
        write(&shared.join(INSTALLED), "").unwrap();
        assert_eq!(tools(&project, "python"), shared);
    }

    #[test]
    fn the_world_follows_the_hooks() {
        for (hooks, expected) in [
            ("\"auth\"", "auth-filter"),
            ("\"http.request\", \"http.response\"", "http-filter"),
            ("\"chat\"", "chat-filter"),
            ("\"gifts\"", "gift-filter"),
            ("\"chat\", \"gifts\"", "any-filter"),
        ] {
            let text = format!("name = \"m\"\nversion = \"1\"\nhooks = [{hooks}]\n");
            let manifest: Manifest = toml::from_str(&text).unwrap();
            assert_eq!(world(Path::new("/none"), &manifest), expected);
        }
        let directory = tempfile::tempdir().unwrap();
        write(&directory.path().join("world.wit"), "").unwrap();
        let manifest = toml::from_str("name = \"m\"\nversion = \"1\"\nhooks = [\"chat\"]\n");
        assert_eq!(world(directory.path(), &manifest.unwrap()), "filter");
    }

    #[test]
    fn another_lock_file_installs_again() {
        let directory = tempfile::tempdir().unwrap();
        assert!(!is_installed(directory.path(), NPM_LOCK));
        write(&directory.path().join(INSTALLED), NPM_LOCK).unwrap();
        assert!(is_installed(directory.path(), NPM_LOCK));
        assert!(!is_installed(directory.path(), "another"));
    }
}
