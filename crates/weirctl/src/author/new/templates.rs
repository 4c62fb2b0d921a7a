//! The files of `wasm-filters/templates`, and the contract, inside the program.

use crate::args::{Language, NewHook};

pub(super) const GITIGNORE: &str = include_str!("../../../../../wasm-filters/templates/gitignore");
pub(super) const README: &str = include_str!("../../../../../wasm-filters/templates/README.md");
pub(super) const WORLD: &str = include_str!("../../../../../wasm-filters/templates/wit/world.wit");
pub(super) const CARGO: &str =
    include_str!("../../../../../wasm-filters/templates/rust/Cargo.toml");
pub(super) const CONTRACT: &str = include_str!("../../../../../wasm-filters/wit/filter.wit");

/// The sources' file in a project.
pub(super) fn source_path(language: Language) -> &'static str {
    match language {
        Language::Rust => "src/lib.rs",
        Language::Javascript => "filter.js",
        Language::Python => "app.py",
    }
}

/// The world of the contract that a hook's filters have.
pub(super) fn world(hook: NewHook) -> &'static str {
    match hook {
        NewHook::Auth => "auth-filter",
        NewHook::Chat => "chat-filter",
        NewHook::Gifts => "gift-filter",
        NewHook::Http => "http-filter",
    }
}

/// What a language's manifest says about limits, with its line's end.
pub(super) fn limits(language: Language) -> &'static str {
    match language {
        Language::Rust => "\n",
        Language::Javascript => concat!(
            include_str!("../../../../../wasm-filters/templates/javascript/limits.toml"),
            "\n"
        ),
        Language::Python => concat!(
            include_str!("../../../../../wasm-filters/templates/python/limits.toml"),
            "\n"
        ),
    }
}

/// A hook's manifest.
pub(super) fn manifest(hook: NewHook) -> &'static str {
    match hook {
        NewHook::Auth => include_str!("../../../../../wasm-filters/templates/auth.toml"),
        NewHook::Chat => include_str!("../../../../../wasm-filters/templates/chat.toml"),
        NewHook::Gifts => include_str!("../../../../../wasm-filters/templates/gifts.toml"),
        NewHook::Http => include_str!("../../../../../wasm-filters/templates/http.toml"),
    }
}

/// A hook's cases.
pub(super) fn cases(hook: NewHook) -> &'static str {
    match hook {
        NewHook::Auth => include_str!("../../../../../wasm-filters/templates/auth.json"),
        NewHook::Chat => include_str!("../../../../../wasm-filters/templates/chat.json"),
        NewHook::Gifts => include_str!("../../../../../wasm-filters/templates/gifts.json"),
        NewHook::Http => include_str!("../../../../../wasm-filters/templates/http.json"),
    }
}

/// The sources.
pub(super) fn source(language: Language, hook: NewHook) -> &'static str {
    match (language, hook) {
        (Language::Rust, NewHook::Auth) => {
            include_str!("../../../../../wasm-filters/templates/rust/auth.rs")
        }
        (Language::Rust, NewHook::Chat) => {
            include_str!("../../../../../wasm-filters/templates/rust/chat.rs")
        }
        (Language::Rust, NewHook::Gifts) => {
            include_str!("../../../../../wasm-filters/templates/rust/gifts.rs")
        }
        (Language::Rust, NewHook::Http) => {
            include_str!("../../../../../wasm-filters/templates/rust/http.rs")
        }
        (Language::Javascript, NewHook::Auth) => {
            include_str!("../../../../../wasm-filters/templates/javascript/auth.js")
        }
        (Language::Javascript, NewHook::Chat) => {
            include_str!("../../../../../wasm-filters/templates/javascript/chat.js")
        }
        (Language::Javascript, NewHook::Gifts) => {
            include_str!("../../../../../wasm-filters/templates/javascript/gifts.js")
        }
        (Language::Javascript, NewHook::Http) => {
            include_str!("../../../../../wasm-filters/templates/javascript/http.js")
        }
        (Language::Python, NewHook::Auth) => {
            include_str!("../../../../../wasm-filters/templates/python/auth.py")
        }
        (Language::Python, NewHook::Chat) => {
            include_str!("../../../../../wasm-filters/templates/python/chat.py")
        }
        (Language::Python, NewHook::Gifts) => {
            include_str!("../../../../../wasm-filters/templates/python/gifts.py")
        }
        (Language::Python, NewHook::Http) => {
            include_str!("../../../../../wasm-filters/templates/python/http.py")
        }
    }
}
