//! Structured logs on stderr, for a person or for a machine.

use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// The filter used when `RUST_LOG` is unset.
///
/// pingora reports every client that goes away at `error`, and its cache every failed reader:
/// Weir logs and counts these itself.
pub const FILTER_DEFAULT: &str =
    "info,pingora_core=warn,pingora_proxy=warn,pingora_cache=off,h2=warn,quinn=warn,rustls=warn";

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// One line for people; coloured when stderr is a terminal.
    #[default]
    Text,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// A logger was installed already.
    #[error("a logger is installed already: {0}")]
    AlreadyInstalled(#[from] TryInitError),
    /// `RUST_LOG` (or the default given) is not a filter.
    #[error("RUST_LOG is not a log filter: {0}")]
    Filter(#[from] ParseError),
    /// `RUST_LOG` is not UTF-8.
    #[error("RUST_LOG is not UTF-8")]
    NotUtf8,
}

/// Installs the process-wide logger: `tracing`, and the `log` crate (pingora's) bridged into it.
///
/// `RUST_LOG` decides what is logged; without it [`FILTER_DEFAULT`] does. Call once, early in
/// `main`.
pub fn init(format: LogFormat) -> Result<(), InitError> {
    let filter = filter_from(std::env::var(EnvFilter::DEFAULT_ENV))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // `try_init` also installs the bridge from the `log` crate.
    match format {
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init()?,
        LogFormat::Text => {
            builder
                .with_ansi(std::io::stderr().is_terminal())
                .finish()
                .try_init()?;
        }
    }
    Ok(())
}

fn filter_from(variable: Result<String, std::env::VarError>) -> Result<EnvFilter, InitError> {
    let directives = match variable {
        Ok(text) if !text.trim().is_empty() => text,
        Ok(_) | Err(std::env::VarError::NotPresent) => FILTER_DEFAULT.to_owned(),
        Err(std::env::VarError::NotUnicode(_)) => return Err(InitError::NotUtf8),
    };
    Ok(EnvFilter::builder().parse(directives)?)
}

#[cfg(test)]
mod tests {
    use std::env::VarError;

    use super::*;

    #[test]
    fn filter_is_the_variable_or_the_default() {
        let default = filter_from(Err(VarError::NotPresent)).unwrap().to_string();
        assert!(default.contains("info"), "{default}");
        assert_eq!(
            filter_from(Ok("  ".to_owned())).unwrap().to_string(),
            default
        );
        assert_eq!(
            filter_from(Ok("edge=debug".to_owned()))
                .unwrap()
                .to_string(),
            "edge=debug"
        );
        assert!(matches!(
            filter_from(Ok("edge=loud".to_owned())),
            Err(InitError::Filter(_))
        ));
    }

    #[test]
    fn second_init_is_an_error_and_the_log_crate_is_bridged() {
        init(LogFormat::Json).unwrap();
        assert!(matches!(
            init(LogFormat::Text),
            Err(InitError::AlreadyInstalled(_))
        ));
        assert_ne!(::log::max_level(), ::log::LevelFilter::Off);
        ::log::info!("from the log crate");
    }

    #[test]
    fn format_names_are_lowercase() {
        assert_eq!(serde_json::to_string(&LogFormat::Json).unwrap(), "\"json\"");
        assert_eq!(
            serde_json::from_str::<LogFormat>("\"text\"").unwrap(),
            LogFormat::Text
        );
    }
}
