//! The refusal to load machines that nobody meant to load.

use anyhow::{Context as _, ensure};

use crate::client::Target;

/// Fails unless `url` names a loopback address or `remote_allowed` says that any target is meant.
pub async fn check_target(url: &str, remote_allowed: bool) -> anyhow::Result<()> {
    let target = Target::parse(url)?;
    if remote_allowed {
        return Ok(());
    }
    let address = target
        .resolve()
        .await
        .with_context(|| format!("resolving {}", target.host()))?;
    ensure!(
        address.ip().to_canonical().is_loopback(),
        "{} is {}, not this machine; pass --allow-remote if you are entitled to load it",
        target.host(),
        address.ip(),
    );
    Ok(())
}

/// The same for an RTMP URL.
pub async fn check_publish_target(url: &str, remote_allowed: bool) -> anyhow::Result<()> {
    let rest = url
        .strip_prefix("rtmp://")
        .with_context(|| format!("'{url}' is not an rtmp URL"))?;
    check_target(&format!("http://{rest}"), remote_allowed).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn loopback_is_allowed_and_others_need_the_flag() {
        assert!(check_target("http://127.0.0.1:1/", false).await.is_ok());
        assert!(check_target("https://localhost/", false).await.is_ok());
        assert!(check_target("http://192.0.2.1/", false).await.is_err());
        assert!(check_target("http://192.0.2.1/", true).await.is_ok());
        let publish = check_publish_target("rtmp://127.0.0.1/live", false);
        assert!(publish.await.is_ok());
        let remote = check_publish_target("rtmp://192.0.2.1/live", false);
        assert!(remote.await.is_err());
        assert!(
            check_publish_target("http://127.0.0.1/", true)
                .await
                .is_err()
        );
    }
}
