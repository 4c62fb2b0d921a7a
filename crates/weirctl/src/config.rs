//! Where a command is to go and as whom: from the command line, the environment and a file.
//!
//! The command line goes before the environment, that before the file, that before the defaults.
//! The environment comes in as a function, so that every combination can be tested.

use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::Deserialize;
use settings::{ConfigError, Invalid, KeyPath, Secret};

use crate::args::Global;
use crate::failure::Failure;

/// The origin's admin listener, as its default configuration binds it.
const REGISTRY_DEFAULT: &str = "http://127.0.0.1:9080";
/// Largest token file: a token is a line.
const TOKEN_FILE_BYTES_MAX: usize = 4096;

/// The file's keys, as typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    registry: Option<String>,
    token: Option<Secret>,
    token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    json: Option<bool>,
    /// Admin listeners that `status` and `purge` mean when none is named.
    nodes: Vec<String>,
}

/// Checked.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Base URL of the registry.
    pub(crate) registry: Url,
    /// Bearer token for the registry and for nodes' admin listeners.
    pub(crate) token: Option<Secret>,
    /// PEM certificates to trust besides the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// Machine output.
    pub(crate) json: bool,
    /// Admin listeners from the file.
    pub(crate) nodes: Vec<Url>,
}

impl Target {
    /// Puts the sources together. `environment` looks a variable up; empty ones count as unset.
    ///
    /// # Errors
    /// A file or a value that cannot be used, in words for the operator.
    pub(crate) fn resolve(
        global: &Global,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Failure> {
        let environment = |name: &str| environment(name).filter(|value| !value.is_empty());
        let file = File::load(global.config.as_deref(), environment)?;
        let registry = match (&global.registry, environment("WEIR_REGISTRY")) {
            (Some(url), _) => url.clone(),
            (None, Some(text)) => base_url(&text)
                .map_err(|reason| Failure::usage(format!("WEIR_REGISTRY: {reason}")))?,
            (None, None) => file.registry,
        };
        let from_environment = environment("WEIR_TOKEN").map(Secret::new);
        let token = match (&global.token, &global.token_file) {
            (Some(token), _) => Some(Secret::new(token)),
            (None, Some(path)) => Some(read_token(path)?),
            (None, None) => match (from_environment, file.token, file.token_file) {
                (Some(token), _, _) | (None, Some(token), _) => Some(token),
                (None, None, Some(path)) => Some(read_token(&path)?),
                (None, None, None) => None,
            },
        };
        if let Some(token) = &token {
            check_token(token)?;
        }
        Ok(Self {
            registry,
            token,
            ca_file: global.ca_file.clone().or(file.ca_file),
            json: global.json || file.json,
            nodes: file.nodes,
        })
    }
}

/// The file's keys, checked.
#[derive(Debug)]
struct Checked {
    registry: Url,
    token: Option<Secret>,
    token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    json: bool,
    nodes: Vec<Url>,
}

impl File {
    /// A file that is named has to be there; the one in the home directory may be.
    fn load(
        named: Option<&Path>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Checked, Failure> {
        let usual = usual_file(environment).filter(|path| path.exists());
        let loaded = match named.or(usual.as_deref()) {
            Some(path) => settings::load(path, |file: Self| file.check(path)),
            None => settings::parse(Path::new("(defaults)"), "", |file: Self| {
                file.check(Path::new(""))
            }),
        };
        loaded.map_err(|error: ConfigError| Failure::usage(error))
    }

    fn check(self, path: &Path) -> Result<Checked, Invalid> {
        let registry = self.registry.as_deref().unwrap_or(REGISTRY_DEFAULT);
        let registry =
            base_url(registry).map_err(|reason| Invalid::new(KeyPath::new("registry"), reason))?;
        let nodes = self.nodes.iter().enumerate().map(|(index, url)| {
            base_url(url).map_err(|reason| Invalid::new(KeyPath::new("nodes").index(index), reason))
        });
        // As people expect of a file that is written once and used from anywhere.
        let beside = |file: PathBuf| match path.parent() {
            Some(directory) => directory.join(file),
            None => file,
        };
        Ok(Checked {
            registry,
            nodes: nodes.collect::<Result<_, _>>()?,
            token: self.token,
            token_file: self.token_file.map(beside),
            ca_file: self.ca_file.map(beside),
            json: self.json.unwrap_or(false),
        })
    }
}

fn usual_file(environment: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let configuration = environment("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&environment("HOME")?).join(".config")));
    configuration.map(|directory| directory.join("weir/weirctl.toml"))
}

/// A URL that paths can be added to.
///
/// # Errors
/// What it should have been.
pub(crate) fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim_end_matches('/')).ok();
    let fits = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    };
    url.filter(fits)
        .ok_or_else(|| format!("{text:?} is not http://HOST:PORT or https://HOST:PORT"))
}

fn read_token(path: &Path) -> Result<Secret, Failure> {
    let refuse = |reason: &dyn std::fmt::Display| {
        Failure::usage(format!("the token file {}: {reason}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| refuse(&error))?;
    if text.len() > TOKEN_FILE_BYTES_MAX {
        return Err(refuse(&"is too large for a token"));
    }
    Ok(Secret::new(text.trim()))
}

/// It goes into a header field; what is wrong with it must not be printed.
fn check_token(token: &Secret) -> Result<(), Failure> {
    let token = token.expose();
    if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(Failure::usage(
            "the token has to be visible ASCII characters, without blanks",
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    struct Case {
        directory: tempfile::TempDir,
        global: Global,
        environment: BTreeMap<&'static str, String>,
    }

    impl Case {
        fn new() -> Self {
            Self {
                directory: tempfile::tempdir().unwrap(),
                global: Global::default(),
                environment: BTreeMap::new(),
            }
        }

        fn file(&self, name: &str, text: &str) -> PathBuf {
            let path = self.directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        }

        fn resolve(&self) -> Result<Target, Failure> {
            Target::resolve(&self.global, |name| self.environment.get(name).cloned())
        }
    }

    fn token(target: &Target) -> &str {
        target.token.as_ref().map_or("", Secret::expose)
    }

    #[test]
    fn the_default_is_the_origin_on_this_machine() {
        let target = Case::new().resolve().unwrap();
        assert_eq!(target.registry.as_str(), "http://127.0.0.1:9080/");
        assert_eq!(token(&target), "");
        assert!(!target.json);
    }

    #[test]
    fn command_line_before_environment_before_file() {
        let mut case = Case::new();
        let home = case.directory.path().display().to_string();
        case.environment.insert("HOME", home);
        case.file("token", "  from-token-file\n");
        case.file(
            ".config/weir/weirctl.toml",
            "registry = \"http://file:1\"\ntoken = \"from-file\"\njson = true\nca_file = \"ca.pem\"\n\
             nodes = [\"http://edge:9443\"]\n",
        );
        let target = case.resolve().unwrap();
        assert_eq!(target.registry.as_str(), "http://file:1/");
        assert_eq!(token(&target), "from-file");
        assert!(target.json);
        assert!(target.ca_file.unwrap().ends_with("weir/ca.pem"));
        assert_eq!(target.nodes[0].as_str(), "http://edge:9443/");

        case.environment
            .insert("WEIR_REGISTRY", "http://environment:2/".to_owned());
        case.environment
            .insert("WEIR_TOKEN", "from-environment".to_owned());
        let target = case.resolve().unwrap();
        assert_eq!(target.registry.as_str(), "http://environment:2/");
        assert_eq!(token(&target), "from-environment");

        case.global.registry = Some(base_url("https://flag:3").unwrap());
        case.global.token_file = Some(case.directory.path().join("token"));
        let target = case.resolve().unwrap();
        assert_eq!(target.registry.as_str(), "https://flag:3/");
        assert_eq!(token(&target), "from-token-file");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let mut case = Case::new();
        case.global.config = Some(case.file("a.toml", "registry = \"ftp://x\"\n"));
        let line = case.resolve().unwrap_err().line().unwrap();
        assert!(line.contains("a.toml:1: registry: "), "{line}");
        case.global.config = Some(case.file("b.toml", "\nregistri = \"x\"\n"));
        let line = case.resolve().unwrap_err().line().unwrap();
        assert!(line.contains("b.toml:2: unknown field"), "{line}");
        case.global.config = Some(case.directory.path().join("none.toml"));
        assert_eq!(case.resolve().unwrap_err().exit_code(), 64);
        case.global.config = None;
        case.environment
            .insert("WEIR_REGISTRY", "nowhere".to_owned());
        let line = case.resolve().unwrap_err().line().unwrap();
        assert!(line.starts_with("WEIR_REGISTRY: "), "{line}");
    }

    #[test]
    fn a_bad_token_is_refused_and_not_shown() {
        let mut case = Case::new();
        case.global.token = Some("sec ret".to_owned());
        let failure = case.resolve().unwrap_err();
        assert_eq!(failure.exit_code(), 64);
        assert!(!failure.line().unwrap().contains("sec ret"));
    }

    #[test]
    fn base_urls() {
        for good in ["http://a:1", "https://[::1]:9080/", "http://a/prefix"] {
            assert!(base_url(good).is_ok(), "{good}");
        }
        for bad in [
            "a:1",
            "http://",
            "http://a?x",
            "http://u:p@a",
            "file:///x",
            "",
        ] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }
}
