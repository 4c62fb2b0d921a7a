#!/usr/bin/env bash
# Makes a fresh Debian machine ready. Does nothing where everything is present already.
#
#   scripts/setup.sh demo     what building and running the demonstration needs
#   scripts/setup.sh test     and the tests
#   scripts/setup.sh bench    and the comparison with other servers
set -euo pipefail

purpose=${1:-demo}
rust_version_min=1.95

say() { printf 'setup: %s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }

# A program, or the file that shows the package is there, and the Debian package it is in.
needs=(
    cc:build-essential make:make cmake:cmake ffmpeg:ffmpeg ffprobe:ffmpeg curl:curl openssl:openssl
    /etc/ssl/certs/ca-certificates.crt:ca-certificates
    /usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf:fonts-dejavu-core
    node:nodejs npm:npm
)
case $purpose in
    demo) ;;
    # One shipped filter is written in Python: its compiler comes from PyPI.
    # The bus of rooms is tested over a real NATS, the ledger in a real PostgreSQL.
    test) needs+=(chromium:chromium python3:python3 /usr/share/doc/python3-venv:python3-venv
        nats-server:nats-server /usr/share/doc/postgresql:postgresql) ;;
    bench) needs+=(nginx:nginx-light caddy:caddy
        /usr/lib/nginx/modules/ngx_nchan_module.so:libnginx-mod-nchan) ;;
    *) fail "unknown purpose '$purpose': demo, test or bench" ;;
esac

present() {
    case $1 in
        /*) [ -e "$1" ] ;;
        *) command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] ;;
    esac
}

missing=()
for need in "${needs[@]}"; do
    present "${need%%:*}" || missing+=("${need#*:}")
done

if [ ${#missing[@]} -gt 0 ]; then
    command -v apt-get >/dev/null || fail "install these by hand (no apt-get here): ${missing[*]}"
    say "installing ${missing[*]}"
    as_root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || fail "run this as root, or install sudo"
        as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -qq
    # The servers that `bench` compares with are started by it alone.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

PATH=$PATH:$HOME/.cargo/bin
command -v cargo >/dev/null ||
    fail "Rust is missing. Install it from https://rustup.rs, then run this again."
rust_version=$(rustc --version | cut -d' ' -f2)
[ "$(printf '%s\n' "$rust_version_min" "$rust_version" | sort -V | head -1)" = "$rust_version_min" ] ||
    fail "Rust $rust_version is too old, $rust_version_min is needed: rustup update stable"
# Filters are components for WASI.
wasm_target=wasm32-wasip2
if ! [ -d "$(rustc --print sysroot)/lib/rustlib/$wasm_target" ]; then
    command -v rustup >/dev/null ||
        fail "Rust's target $wasm_target is missing, and there is no rustup to add it"
    say "adding Rust's target $wasm_target"
    rustup target add "$wasm_target" >/dev/null
fi

say "ready for $purpose"
