//! The servers of the chat section, and their configurations.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::chat::http_url;
use crate::client::Target;
use crate::process::Process;

use super::super::{Certificates, START_TIMEOUT, Settings};
use super::{ChatServer, Weir};

/// Where the ports of this section begin, after the others'.
const PORT_OFFSET: u16 = 30;

/// A server for one run; dropping it stops it, unless it ran before.
pub(super) struct Running {
    pub(super) url: String,
    pub(super) post_url: Option<String>,
    /// The last one was started last, and ends first.
    processes: Vec<Process>,
    others: Vec<u32>,
}

impl Drop for Running {
    fn drop(&mut self) {
        while self.processes.pop().is_some() {}
    }
}

impl Running {
    pub(super) async fn start(
        settings: &Settings,
        certificates: &Certificates,
        server: ChatServer,
    ) -> anyhow::Result<Self> {
        let setup = Setup {
            settings,
            certificates,
            directory: settings.directory.canonicalize()?,
        };
        match server {
            ChatServer::WeirJson | ChatServer::WeirBinary => {
                let weir = settings.chat.weir.as_ref();
                setup.weir(weir.context("no Weir was named")?).await
            }
            ChatServer::Nchan => setup.nchan().await,
            ChatServer::SocketIo => setup.socketio().await,
        }
    }

    pub(super) fn pids(&self) -> Vec<u32> {
        let started = self.processes.iter().map(Process::pid);
        started.chain(self.others.iter().copied()).collect()
    }
}

struct Setup<'a> {
    settings: &'a Settings,
    certificates: &'a Certificates,
    directory: PathBuf,
}

impl Setup<'_> {
    async fn weir(&self, weir: &Weir) -> anyhow::Result<Running> {
        let mut processes = Vec::new();
        if let Some((origin_config, edge_config)) = &weir.configs {
            let (origin, edge) = (&self.settings.origin, &self.settings.edge);
            let origin = origin.as_ref().context("no program of an origin")?;
            let edge = edge.as_ref().context("no program of an edge")?;
            for (name, binary, config) in [
                ("weir-origin", origin, origin_config),
                ("weir-edge", &edge.binary, edge_config),
            ] {
                let mut command = Command::new(binary);
                command.arg("--config").arg(config);
                processes.push(self.spawn(name, &mut command)?);
            }
            let authority = Target::parse(&http_url(&weir.url))?.authority();
            let last = processes.last_mut().context("no process")?;
            last.listening(&authority, START_TIMEOUT).await?;
        }
        Ok(Running {
            url: weir.url.clone(),
            post_url: None,
            processes,
            others: weir.pids.clone(),
        })
    }

    async fn nchan(&self) -> anyhow::Result<Running> {
        let module = &self.settings.chat.nchan_module;
        ensure!(
            module.exists(),
            "{} is missing: run scripts/setup.sh bench",
            module.display()
        );
        let port = self.settings.base_port + PORT_OFFSET;
        let prefix = self.directory.join("nchan");
        std::fs::create_dir_all(&prefix)?;
        let config = self.directory.join("nchan.conf");
        std::fs::write(&config, self.nchan_config(module, &prefix, port))?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&prefix).arg("-e").arg("stderr");
        command.arg("-c").arg(&config);
        let mut process = self.spawn("nchan", &mut command)?.terminated_on_drop();
        let address = format!("127.0.0.1:{port}");
        process.listening(&address, START_TIMEOUT).await?;
        Ok(Running {
            url: format!("wss://localhost:{port}/sub"),
            post_url: Some(format!("http://127.0.0.1:{}/pub", port + 1)),
            processes: vec![process],
            others: Vec::new(),
        })
    }

    async fn socketio(&self) -> anyhow::Result<Running> {
        let home = &self.settings.chat.socketio;
        ensure!(
            home.join("node_modules").exists(),
            "no packages: run npm ci in {}",
            home.display()
        );
        let port = self.settings.base_port + PORT_OFFSET + 2;
        let mut command = Command::new("node");
        command.arg(home.join("server.js")).arg(port.to_string());
        command.arg(&self.certificates.chain);
        command.arg(&self.certificates.key);
        let mut process = self.spawn("socketio", &mut command)?.terminated_on_drop();
        let address = format!("127.0.0.1:{port}");
        process.listening(&address, START_TIMEOUT).await?;
        Ok(Running {
            url: format!("wss://localhost:{port}/socket.io/?EIO=4&transport=websocket"),
            post_url: None,
            processes: vec![process],
            others: Vec::new(),
        })
    }

    fn spawn(&self, name: &str, command: &mut Command) -> anyhow::Result<Process> {
        let log = self.directory.join(format!("chat-{name}.log"));
        Process::spawn(name, command, &log)
    }

    /// Two workers, as there are cores; as long a history as a room of Weir's keeps; and a plain
    /// listener for who publishes.
    fn nchan_config(&self, module: &Path, prefix: &Path, port: u16) -> String {
        let (module, prefix) = (module.display(), prefix.display());
        let (chain, key) = (
            self.certificates.chain.display(),
            self.certificates.key.display(),
        );
        format!(
            "load_module {module};\n\
             daemon off; user root; worker_processes 2; pid {prefix}/pid; error_log stderr;\n\
             events {{ worker_connections 16384; }}\n\
             http {{ access_log off; nchan_shared_memory_size 256m;\n\
             client_body_temp_path {prefix}/body; proxy_temp_path {prefix}/proxy;\n\
             fastcgi_temp_path {prefix}/fastcgi; scgi_temp_path {prefix}/scgi;\n\
             uwsgi_temp_path {prefix}/uwsgi;\n\
             server {{ listen 127.0.0.1:{port} ssl backlog=4096; server_name localhost;\n\
             ssl_protocols TLSv1.3; ssl_certificate {chain}; ssl_certificate_key {key};\n\
             location = /sub {{ nchan_subscriber websocket; nchan_channel_id demo;\n\
             nchan_subscriber_first_message newest; }}\n}}\n\
             server {{ listen 127.0.0.1:{}; keepalive_requests 1000000000;\n\
             location = /pub {{ nchan_publisher; nchan_channel_id demo;\n\
             nchan_message_buffer_length 2000; nchan_message_timeout 5m; }}\n}}\n}}\n",
            port + 1
        )
    }
}
