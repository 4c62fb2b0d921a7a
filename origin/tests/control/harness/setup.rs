//! What an origin is to have.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Origin;
use crate::support::KEY;

/// Of edges.
pub(crate) const LINK: &str = "the-token-of-the-link";
pub(super) const OPERATOR: &str = "the-token-of-operators";
/// Of the payment provider.
pub(crate) const SECRETS: [&str; 2] = ["the-new-secret-of-payments", "the-old-secret-of-payments"];

/// Who can publish: nobody, or one whose stream has a rung of its own.
const NO_ENCODER: &str = "[rtmp]\nenabled = false\n";
const ENCODER: &str = "[rtmp]\nlisten = \"127.0.0.1:0\"\n\
     [[ladder]]\nname = \"360p\"\nheight = 360\nvideo_bitrate_kbps = 700\n\
     [transcode]\npreset = \"ultrafast\"\n";

/// The configuration of an origin, and the folder of its files.
///
/// There are always accounts, rooms whose chat is stored, and payments; the databases are SQLite.
pub(crate) struct Setup {
    directory: TempDir,
    encoder: String,
    store: String,
    more: String,
}

impl Setup {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keys = directory.path().join("keys");
        let key = "first MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=\n";
        std::fs::write(&keys, key).unwrap();
        std::fs::set_permissions(&keys, Permissions::from_mode(0o600)).unwrap();
        Self {
            directory,
            encoder: NO_ENCODER.to_owned(),
            store: String::new(),
            more: String::new(),
        }
    }

    /// With RTMP, and a ladder for what is published.
    pub(crate) fn encoder(self) -> Self {
        self.encoder_with("")
    }

    /// The same with more in `[transcode]`.
    pub(crate) fn encoder_with(mut self, more: &str) -> Self {
        self.encoder = format!("{ENCODER}{more}");
        self
    }

    /// With more in `[control.store]`.
    pub(crate) fn store(mut self, more: &str) -> Self {
        self.store.push_str(more);
        self
    }

    /// With more of the configuration.
    pub(crate) fn with(mut self, more: &str) -> Self {
        self.more.push_str(more);
        self
    }

    pub(crate) async fn start(self) -> Origin {
        Origin::of(self).await
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A file of the control API's.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        control_file(self.directory(), name)
    }

    pub(super) fn text(&self) -> String {
        let directory = self.directory().display();
        let (encoder, store, more) = (&self.encoder, &self.store, &self.more);
        let [new, old] = SECRETS;
        format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"{OPERATOR}\"\n\
             [[streams]]\nname = \"demo\"\npublish_key = \"{KEY}\"\ntitle = \"A test\"\n{encoder}\
             [rooms]\nenabled = true\nlink_tokens = [\"{LINK}\"]\n\
             state_dir = \"{directory}/rooms\"\nreserved_names = [\"Queen\"]\n\
             [rooms.archive]\nenabled = true\ndirectory = \"{directory}/chat\"\n\
             keys_file = \"{directory}/keys\"\n\
             [control]\nenabled = true\n\
             [control.store]\ndirectory = \"{directory}/control\"\n{store}\
             [control.payments]\nsecrets = [\"{new}\", \"{old}\"]\n{more}"
        )
    }
}

/// Where the control API has a file, in an origin's folder.
pub(crate) fn control_file(directory: &Path, name: &str) -> PathBuf {
    directory.join("control").join(name)
}
