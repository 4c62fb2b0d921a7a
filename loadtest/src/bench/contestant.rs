//! The servers that are compared, and their configurations.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::client::Protocol;
use crate::process::Process;

use super::objects::Object;
use super::parent::Parent;
use super::{Certificates, START_TIMEOUT, STREAM_PATH, Settings};

/// The edge that takes part.
#[derive(Debug, Clone)]
pub struct EdgeCommand {
    /// The program.
    pub binary: PathBuf,
}

/// One running server.
pub(super) struct Contestant {
    pub(super) name: &'static str,
    protocols: &'static [Protocol],
    port: u16,
    process: Process,
}

impl Contestant {
    pub(super) fn speaks(&self, protocol: Protocol) -> bool {
        self.protocols.contains(&protocol)
    }

    pub(super) fn url(&self, _protocol: Protocol, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// Starts all servers. The order is that of the report's columns.
pub(super) async fn start_all(
    settings: &Settings,
    certificates: &Certificates,
    parent: &Parent,
    objects: &[Object],
) -> anyhow::Result<Vec<Contestant>> {
    let directory = settings
        .directory
        .canonicalize()
        .context("the benchmark's directory")?;
    let files = write_files(&directory, objects)?;
    let setup = Setup {
        directory,
        files,
        certificates,
        parent,
        base_port: settings.base_port,
    };
    let mut contestants = Vec::new();
    if let Some(edge) = &settings.edge {
        contestants.push(setup.edge(edge).await?);
    }
    contestants.push(setup.nginx_cache().await?);
    contestants.push(setup.nginx_files().await?);
    contestants.push(setup.caddy().await?);
    Ok(contestants)
}

struct Setup<'a> {
    directory: PathBuf,
    files: PathBuf,
    certificates: &'a Certificates,
    parent: &'a Parent,
    base_port: u16,
}

impl Setup<'_> {
    async fn edge(&self, edge: &EdgeCommand) -> anyhow::Result<Contestant> {
        let port = self.base_port + 1;
        let config = self.write("edge.toml", &self.edge_config(port))?;
        let mut command = Command::new(&edge.binary);
        command.arg("--config").arg(&config);
        self.start("weir-edge", &Protocol::ALL, port, &mut command)
            .await
    }

    async fn nginx_cache(&self) -> anyhow::Result<Contestant> {
        let port = self.base_port + 2;
        let server = format!(
            "location / {{ proxy_pass http://{}; proxy_http_version 1.1; \
             proxy_set_header Connection \"\"; proxy_cache objects; proxy_cache_lock on; }}",
            self.parent.address
        );
        self.nginx("nginx (cache)", port, &server).await
    }

    async fn nginx_files(&self) -> anyhow::Result<Contestant> {
        let port = self.base_port + 3;
        let server = format!("location / {{ root {}; }}", self.files.display());
        self.nginx("nginx (files)", port, &server).await
    }

    async fn nginx(
        &self,
        name: &'static str,
        port: u16,
        server: &str,
    ) -> anyhow::Result<Contestant> {
        let prefix = self.directory.join(format!("nginx-{port}"));
        std::fs::create_dir_all(&prefix)?;
        let config = self.write(
            &format!("nginx-{port}.conf"),
            &self.nginx_config(&prefix, port, server),
        )?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&prefix).arg("-e").arg("stderr");
        command.arg("-c").arg(&config);
        self.start(name, &[Protocol::H1, Protocol::H2], port, &mut command)
            .await
    }

    async fn caddy(&self) -> anyhow::Result<Contestant> {
        let port = self.base_port + 4;
        let home = self.directory.join("caddy-home");
        std::fs::create_dir_all(&home)?;
        let config = self.write("Caddyfile", &self.caddy_config(port))?;
        let mut command = Command::new("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]);
        command.arg(&config).env("HOME", &home);
        self.start("Caddy (files)", &Protocol::ALL, port, &mut command)
            .await
    }

    async fn start(
        &self,
        name: &'static str,
        protocols: &'static [Protocol],
        port: u16,
        command: &mut Command,
    ) -> anyhow::Result<Contestant> {
        let log = self.directory.join(format!("{port}.log"));
        let mut process = Process::spawn(name, command, &log)?.terminated_on_drop();
        process
            .listening(&format!("127.0.0.1:{port}"), START_TIMEOUT)
            .await?;
        Ok(Contestant {
            name,
            protocols,
            port,
            process,
        })
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.directory.join(name);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// Debian's defaults where they matter (auto workers, sendfile), no access log, and
    /// connections that outlive a run: nginx would close them after 1,000 requests.
    fn nginx_config(&self, prefix: &Path, port: u16, server: &str) -> String {
        let prefix = prefix.display();
        let (chain, key) = (
            self.certificates.chain.display(),
            self.certificates.key.display(),
        );
        format!(
            "daemon off; user root; worker_processes auto; pid {prefix}/pid; error_log stderr;\n\
             events {{ worker_connections 8192; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;\n\
             types {{ application/vnd.apple.mpegurl m3u8; video/mp4 m4s; }}\n\
             client_body_temp_path {prefix}/body; proxy_temp_path {prefix}/proxy;\n\
             fastcgi_temp_path {prefix}/fastcgi; scgi_temp_path {prefix}/scgi;\n\
             uwsgi_temp_path {prefix}/uwsgi;\n\
             proxy_cache_path {prefix}/cache keys_zone=objects:10m use_temp_path=off;\n\
             open_file_cache max=1000;\n\
             server {{ listen 127.0.0.1:{port} ssl http2; server_name localhost;\n\
             http2_max_concurrent_streams 512; ssl_protocols TLSv1.3;\n\
             ssl_certificate {chain}; ssl_certificate_key {key};\n\
             {server}\n}}\n}}\n"
        )
    }

    /// A leaf whose only parent is the static one, with the shipped defaults otherwise.
    fn edge_config(&self, port: u16) -> String {
        format!(
            "[listen]\nhttps = \"127.0.0.1:{port}\"\nadmin = \"127.0.0.1:{}\"\n\
             [tls]\ncertificate_file = \"{}\"\nkey_file = \"{}\"\n\
             [parents]\nurls = [\"http://{}\"]\n",
            port + 4,
            self.certificates.chain.display(),
            self.certificates.key.display(),
            self.parent.address
        )
    }

    fn caddy_config(&self, port: u16) -> String {
        format!(
            "{{\n\tadmin off\n\tauto_https off\n}}\n\
             https://localhost:{port} {{\n\tbind 127.0.0.1\n\ttls {} {}\n\troot * {}\n\tfile_server\n}}\n",
            self.certificates.chain.display(),
            self.certificates.key.display(),
            self.files.display()
        )
    }
}

/// The objects as files, for servers that serve files.
fn write_files(directory: &Path, objects: &[Object]) -> anyhow::Result<PathBuf> {
    let root = directory.join("files");
    let stream = root.join(STREAM_PATH.trim_start_matches('/'));
    std::fs::create_dir_all(&stream)?;
    for object in objects {
        std::fs::write(stream.join(object.file), &object.body)?;
    }
    Ok(root)
}
