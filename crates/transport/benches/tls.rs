//! What a write and an idle connection of a TLS stream cost, beside tokio-rustls.
//!
//! The socket takes everything at once and forgets it: only encryption and copies are measured.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

use std::pin::Pin;
use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::io::{AsyncRead, AsyncWrite};

#[path = "../tests/tls_stream/counting.rs"]
mod counting;
#[path = "../tests/tls_stream/idle.rs"]
mod idle;
#[path = "../tests/tls_stream/wire.rs"]
mod wire;

use wire::{Client, VERSIONS, client_config, poll, server_config};

fn heap(_: &mut Criterion) {
    for version in VERSIONS {
        let (ours, theirs) = (idle::weir(version), idle::tokio_rustls(version));
        for (name, idle) in [("weir", ours), ("tokio-rustls", theirs)] {
            let (heap, inline, version) = (idle.heap, idle.inline, version.version);
            println!(
                "idle/{version:?}/{name}: {heap} bytes of heap, {inline} of the stream itself"
            );
        }
    }
}

fn write(c: &mut Criterion) {
    let config = Arc::new(client_config(&rustls::version::TLS13));
    for len in [300, 64 << 10] {
        let mut group = c.benchmark_group(format!("write/{len}"));
        group.throughput(Throughput::Bytes(u64::try_from(len).unwrap()));
        let bytes = vec![7; len];

        let mut client = Client::new(Arc::clone(&config));
        let accept = transport::tls::accept(server_config(), client.wire.clone());
        let mut ours = client.handshake(accept).unwrap();
        client.wire.lines(|lines| lines.is_deaf = true);
        group.bench_function("weir", |b| b.iter(|| write_all(&mut ours, &bytes)));

        let mut client = Client::new(Arc::clone(&config));
        let acceptor = tokio_rustls::TlsAcceptor::from(server_config());
        let mut theirs = client
            .handshake(acceptor.accept(client.wire.clone()))
            .unwrap();
        client.wire.lines(|lines| lines.is_deaf = true);
        group.bench_function("tokio-rustls", |b| {
            b.iter(|| write_all(&mut theirs, &bytes));
        });
    }
}

fn write_all(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    let mut rest = black_box(bytes);
    while !rest.is_empty() {
        let count = wire::write(stream, rest).unwrap().unwrap();
        rest = &rest[count..];
    }
    assert!(poll(|cx| Pin::new(&mut *stream).poll_flush(cx)).is_ready());
}

fn read(c: &mut Criterion) {
    let config = Arc::new(client_config(&rustls::version::TLS13));
    for len in [300, 16 << 10] {
        let mut group = c.benchmark_group(format!("read/{len}"));
        group.throughput(Throughput::Bytes(u64::try_from(len).unwrap()));
        let bytes = vec![7; len];

        let mut client = Client::new(Arc::clone(&config));
        let accept = transport::tls::accept(server_config(), client.wire.clone());
        let mut ours = client.handshake(accept).unwrap();
        group.bench_function("weir", |b| {
            b.iter(|| read_all(&mut ours, &mut client, &bytes))
        });

        let mut client = Client::new(Arc::clone(&config));
        let acceptor = tokio_rustls::TlsAcceptor::from(server_config());
        let mut theirs = client
            .handshake(acceptor.accept(client.wire.clone()))
            .unwrap();
        group.bench_function("tokio-rustls", |b| {
            b.iter(|| read_all(&mut theirs, &mut client, &bytes));
        });
    }
}

/// The client's encryption is part of it, for both.
fn read_all(stream: &mut (impl AsyncRead + Unpin), client: &mut Client, bytes: &[u8]) {
    client.send(bytes);
    let mut count = 0;
    while count < bytes.len() {
        count += black_box(wire::read(stream, 16 << 10).unwrap().unwrap()).len();
    }
}

criterion_group!(benches, heap, write, read);
criterion_main!(benches);
