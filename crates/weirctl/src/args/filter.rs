//! `weirctl filter ...`, as typed.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use filter_registry::catalogue::RevocationKind;
use filter_registry::wire::{NodeName, VersionRef};
use wasm_filters::manifest::FilterName;

/// Longest bake in seconds: a day.
const BAKE_SECONDS_MAX: u64 = 86_400;
/// Longest wait for nodes in seconds: an hour.
const WAIT_SECONDS_MAX: u64 = 3600;

/// Author's commands first, operator's after.
#[derive(Debug, Subcommand)]
pub(crate) enum FilterCommand {
    /// Write a new filter's project
    New(New),
    /// Build a filter's component
    Build(Build),
    /// Build a filter and run its samples and cases
    Test(Test),
    /// Build, test, push and activate a filter; with --watch again at each save
    Run(Run),
    /// Push a version to the registry
    Push(Push),
    /// All filters
    List,
    /// Versions, nodes, calls and verdicts of a filter, or of all
    Status {
        /// Which filter
        name: Option<FilterName>,
    },
    /// Make a version the one that runs, for all or for some calls
    Activate(Activate),
    /// Run a version beside the active one, its effects recorded and compared but not applied
    Shadow(Shadow),
    /// Go back to the version before
    Rollback(Rollback),
    /// Put a filter back into its chains
    Enable(Switch),
    /// Take a filter out of its chains
    Disable(Switch),
    /// What a filter logged
    Logs(Logs),
    /// Who did what
    Audit(Audit),
    /// Make nodes forget what they allowed, and refuse it for a while
    Revoke(Revoke),
    /// Make a key to sign with
    Keygen {
        /// The secret key's file; the public one gets .pub at its end
        file: PathBuf,
    },
    /// Sign a version for somebody else to push
    Sign(Sign),
}

/// `filter new`
#[derive(Debug, Args)]
pub(crate) struct New {
    /// The filter's name: a-z, then a-z, 0-9 and -
    pub(crate) name: FilterName,
    /// What it is written in
    #[arg(long, value_enum, default_value_t)]
    pub(crate) lang: Language,
    /// Where it is called
    #[arg(long, value_enum, default_value_t)]
    pub(crate) hook: NewHook,
    /// Where to write it [default: ./NAME]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// What a filter is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Small and fast
    #[default]
    Rust,
    /// Through QuickJS
    #[value(alias = "js")]
    Javascript,
    /// Through CPython
    #[value(alias = "py")]
    Python,
}

impl Language {
    /// As on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Javascript => "javascript",
            Self::Python => "python",
        }
    }
}

/// The hook that a new project is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum NewHook {
    /// Who may play and publish
    Auth,
    /// Messages
    Chat,
    /// Gifts and their prices
    Gifts,
    /// Heads of requests and responses
    #[default]
    Http,
}

impl NewHook {
    /// As on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Chat => "chat",
            Self::Gifts => "gifts",
            Self::Http => "http",
        }
    }
}

/// `filter build`
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The filter's project
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
}

/// `filter test`
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The filter's project
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Test what was built last
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Only samples and cases whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
}

/// `filter run`
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The filter's project
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Go on: again at each save, until Ctrl-C
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// A version: a project, or two files.
#[derive(Clone, Debug, Args)]
pub(crate) struct Component {
    /// The filter's project, which is built first
    #[arg(conflicts_with_all = ["component", "manifest"], default_value = ".")]
    pub(crate) dir: PathBuf,
    /// A component that is built already
    #[arg(long, value_name = "FILE", requires = "manifest")]
    pub(crate) component: Option<PathBuf>,
    /// Its manifest, TOML or JSON
    #[arg(long, value_name = "FILE", requires = "component")]
    pub(crate) manifest: Option<PathBuf>,
    /// Take what was built last
    #[arg(long, conflicts_with = "component")]
    pub(crate) no_build: bool,
}

/// Who signs.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Signing {
    /// Sign with this secret key
    #[arg(long, value_name = "FILE")]
    pub(crate) sign_key: Option<PathBuf>,
    /// What the registry calls the key [default: the key file's name without its extension]
    #[arg(long, value_name = "ID", requires = "sign_key")]
    pub(crate) key_id: Option<String>,
}

/// Whether to wait for the nodes.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Waiting {
    /// How long to wait for all nodes, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=WAIT_SECONDS_MAX))]
    pub(crate) wait: u64,
    /// Do not wait
    #[arg(long, conflicts_with = "wait")]
    pub(crate) no_wait: bool,
}

/// `filter push`
#[derive(Debug, Args)]
pub(crate) struct Push {
    #[command(flatten)]
    pub(crate) component: Component,
    /// Activate it when it is there
    #[arg(long)]
    pub(crate) activate: bool,
    /// Of calls that get it
    #[arg(long, requires = "activate", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) percent: Option<u8>,
    /// How long nodes compare it with the version before; 0 is not at all [default: the registry's, 60]
    #[arg(long, value_name = "SECONDS", requires = "activate", value_parser = clap::value_parser!(u64).range(..=BAKE_SECONDS_MAX))]
    pub(crate) bake: Option<u64>,
    /// Make it the shadow
    #[arg(long, conflicts_with = "activate")]
    pub(crate) shadow: bool,
    #[command(flatten)]
    pub(crate) signing: Signing,
    /// What `weirctl filter sign` wrote
    #[arg(long, value_name = "FILE", conflicts_with = "sign_key")]
    pub(crate) signature: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

/// `filter activate`
#[derive(Debug, Args)]
pub(crate) struct Activate {
    /// Which filter
    pub(crate) name: FilterName,
    /// Which version: its number (3, v3) or its id
    #[arg(value_parser = version_ref)]
    pub(crate) version: VersionRef,
    /// Of calls that get it
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) percent: Option<u8>,
    /// How long nodes compare it with the version before; 0 is not at all [default: the registry's, 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=BAKE_SECONDS_MAX))]
    pub(crate) bake: Option<u64>,
    /// Refuse when somebody changed the filter after this generation
    #[arg(long, value_name = "GENERATION")]
    pub(crate) if_generation: Option<u64>,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

/// `filter shadow`
#[derive(Debug, Args)]
pub(crate) struct Shadow {
    /// Which filter
    pub(crate) name: FilterName,
    /// Which version: its number (3, v3), its id, or off
    pub(crate) version: ShadowVersion,
    /// Refuse when somebody changed the filter after this generation
    #[arg(long, value_name = "GENERATION")]
    pub(crate) if_generation: Option<u64>,
}

/// A version, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShadowVersion(pub(crate) Option<VersionRef>);

impl FromStr for ShadowVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let version = version_ref(text).map_err(|reason| format!("{reason}, or off"))?;
        Ok(Self(Some(version)))
    }
}

/// `filter rollback`
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// Which filter
    pub(crate) name: FilterName,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Refuse when somebody changed the filter after this generation
    #[arg(long, value_name = "GENERATION")]
    pub(crate) if_generation: Option<u64>,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

/// `filter enable`, `disable`
#[derive(Debug, Args)]
pub(crate) struct Switch {
    /// Which filter
    pub(crate) name: FilterName,
    /// Refuse when somebody changed the filter after this generation
    #[arg(long, value_name = "GENERATION")]
    pub(crate) if_generation: Option<u64>,
}

/// `filter logs`
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Which filter
    pub(crate) name: FilterName,
    /// Go on until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only this node's
    #[arg(long)]
    pub(crate) node: Option<NodeName>,
}

/// `filter audit`
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Go on until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only what came after this record
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub(crate) after: u64,
}

/// `filter revoke`
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// What VALUE names
    #[arg(value_enum)]
    pub(crate) kind: Kind,
    /// The user's id, the stream's name, or the token; nothing for all
    #[arg(required_if_eq_any = [("kind", "user"), ("kind", "stream"), ("kind", "token")])]
    pub(crate) value: Option<String>,
    /// How long it holds
    #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=filter_registry::catalogue::REVOCATION_SECONDS_MAX))]
    pub(crate) seconds: u64,
}

/// What a revocation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A user's id
    User,
    /// A stream's name
    Stream,
    /// One token
    Token,
    /// Everything allowed so far
    All,
}

impl From<Kind> for RevocationKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::User => Self::User,
            Kind::Stream => Self::Stream,
            Kind::Token => Self::Token,
            Kind::All => Self::All,
        }
    }
}

/// `filter sign`
#[derive(Debug, Args)]
pub(crate) struct Sign {
    #[command(flatten)]
    pub(crate) component: Component,
    /// The secret key
    #[arg(long, value_name = "FILE")]
    pub(crate) sign_key: PathBuf,
    /// What the registry calls the key [default: the key file's name without its extension]
    #[arg(long, value_name = "ID")]
    pub(crate) key_id: Option<String>,
    /// Higher than that of every push of this filter before [default: Unix time in milliseconds]
    #[arg(long)]
    pub(crate) serial: Option<u64>,
}

/// `3`, `v3` or an id of 64 hexadecimal digits.
pub(crate) fn version_ref(text: &str) -> Result<VersionRef, String> {
    let number = text.strip_prefix('v').unwrap_or(text);
    if let Ok(number @ 1..) = number.parse() {
        return Ok(VersionRef::Number(number));
    }
    let id = text.parse().map(VersionRef::Id);
    id.map_err(|_| {
        format!("{text:?} is no version: its number (3, v3) or its id (64 hexadecimal digits)")
    })
}
