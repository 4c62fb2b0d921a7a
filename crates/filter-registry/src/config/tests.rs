use super::*;

fn filters(toml: &str) -> Result<Option<FiltersSettings>, String> {
    let config: FiltersConfig = toml::from_str(toml).map_err(|error| error.to_string())?;
    config
        .resolve(false)
        .map_err(|invalid| format!("{}: {}", invalid.key, invalid.reason))
}

fn registry(toml: &str) -> Result<Option<RegistrySettings>, String> {
    let config: RegistryConfig = toml::from_str(toml).map_err(|error| error.to_string())?;
    config
        .resolve()
        .map_err(|invalid| format!("{}: {}", invalid.key, invalid.reason))
}

const REMOTE: &str =
    "enabled = true\nregistry = \"http://origin:9080/\"\ntoken = \"0123456789abcdef\"\n";

#[test]
fn off_is_the_default_and_asks_for_nothing() {
    assert!(filters("").unwrap().is_none());
    assert!(registry("").unwrap().is_none());
}

#[test]
fn a_node_needs_a_registry_and_a_token() {
    for (toml, wrong) in [
        ("enabled = true", "filters.registry"),
        (
            "enabled = true\nregistry = \"origin:9080\"",
            "filters.registry",
        ),
        (
            "enabled = true\nregistry = \"http://origin:9080\"",
            "filters.token",
        ),
    ] {
        let error = filters(toml).unwrap_err();
        assert!(error.starts_with(wrong), "{toml}: {error}");
    }
    let settings = filters(REMOTE).unwrap().unwrap();
    assert!(
        matches!(settings.registry, RegistryAddress::Remote { url, .. } if url == "http://origin:9080")
    );
}

#[test]
fn a_key_has_one_source_and_enough_bytes() {
    let key = |rest: &str| filters(&format!("{REMOTE}[[keys]]\nname = \"k\"\n{rest}"));
    let secret = "0".repeat(SECRET_BYTES_MIN);
    assert!(key(&format!("secrets = [\"{secret}\"]")).is_ok());
    assert!(key("jwks_file = \"keys.json\"").is_ok());
    assert!(key("jwks_url = \"https://id.example/jwks\"").is_ok());
    assert!(key("").is_err());
    assert!(key("jwks_url = \"file:///etc/passwd\"").is_err());
    assert!(key(&format!("secrets = [\"{secret}\"]\njwks_file = \"a\"")).is_err());
    let short = key("secrets = [\"short\"]").unwrap_err();
    assert_eq!(
        short,
        "filters.keys[1].secrets[1]: has 5 bytes, at least 32 are needed"
    );
    let twice = filters(&format!(
        "{REMOTE}[[keys]]\nname = \"k\"\njwks_file = \"a\"\n[[keys]]\nname = \"k\"\njwks_file = \"a\""
    ));
    assert!(twice.unwrap_err().contains("is there twice"));
    let taken = filters(&format!(
        "{REMOTE}[[keys]]\nname = \"{PLAYBACK_KEY}\"\njwks_file = \"a\""
    ));
    assert_eq!(
        taken.unwrap_err(),
        "filters.keys[1].name: may not be \"playback\": that is playback.token_keys"
    );
}

#[test]
fn a_registry_that_nobody_could_use_is_refused() {
    let token = "[[tokens]]\nname = \"ann\"\ntoken = \"0123456789abcdef\"\nrole = \"operator\"\n";
    assert!(
        registry("enabled = true")
            .unwrap_err()
            .starts_with("filter_registry.tokens")
    );
    assert!(
        registry(&format!("enabled = true\n{token}"))
            .unwrap()
            .is_some()
    );
    assert!(registry(&format!("enabled = true\n{token}{token}")).is_err());
    let unsigned = format!("enabled = true\nsignatures_required = true\n{token}");
    assert!(
        registry(&unsigned)
            .unwrap_err()
            .contains("nothing could be uploaded")
    );
    let bad_key = format!("enabled = true\n{token}[[public_keys]]\nid = \"a\"\nkey = \"AAAA\"");
    assert!(
        registry(&bad_key)
            .unwrap_err()
            .contains("base64 of 32 bytes")
    );
}
