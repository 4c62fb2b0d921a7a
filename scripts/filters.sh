#!/usr/bin/env bash
# Builds the filters that ship with Weir into target/filters: <name>.wasm, and its manifest beside
# it as <name>.toml. Does nothing for those that are built already.
#
#   scripts/filters.sh rust       auth, chat, geo-block, gifts, http-headers
#   scripts/filters.sh polyglot   word-guard (JavaScript), welcome (Python)
#   scripts/filters.sh all        both
#   scripts/filters.sh check      formatting, clippy and native tests of the Rust ones
#
# rust needs rustup, or a toolchain that has the target wasm32-wasip2. polyglot needs node with npm,
# and python3 with one of venv, pip and virtualenv (Debian: nodejs npm python3 python3-venv). What
# else they need is installed below wasm-filters/filters/.tools, in the versions that the lock files
# in wasm-filters/filters/tools say.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
filters=$root/wasm-filters/filters
wit=$root/wasm-filters/wit
tools=$filters/.tools
out=$root/target/filters
target=wasm32-wasip2
rust_filters=(auth chat geo-block gifts http-headers)

PATH=$PATH:$HOME/.cargo/bin

say() { printf 'filters: %s\n' "$*"; }
fail() { printf 'filters: %s\n' "$*" >&2; exit 1; }

# quiet <what fails> <command...>: shows what a command said only when it fails.
quiet() {
    local what=$1 said
    shift
    said=$("$@" 2>&1) || { printf '%s\n' "$said" >&2; fail "$what failed"; }
}

# place <file> <destination>: at once or not at all, and only if it differs: nodes watch this folder.
place() {
    cmp -s "$1" "$2" && return
    cp "$1" "$2.new"
    mv "$2.new" "$2"
}

# fingerprint <files...>: of what a component is made from.
fingerprint() { cat "$wit"/*.wit "$0" "$@" | sha256sum | cut -d' ' -f1; }

# is_built <name> <fingerprint>
is_built() { [ -f "$out/$1.wasm" ] && [ "$(cat "$out/.$1.made-from" 2>/dev/null)" = "$2" ]; }

say_size() { say "$1: $(($(wc -c <"$out/$1.wasm") / 1024)) KiB"; }

# finish <name> <component> <fingerprint>
finish() {
    place "$2" "$out/$1.wasm"
    printf '%s\n' "$3" >"$out/.$1.made-from"
    say_size "$1"
}

need_target() {
    command -v cargo >/dev/null || fail "Rust is missing: make setup"
    [ -d "$(rustc --print target-libdir --target $target 2>/dev/null)" ] && return
    command -v rustup >/dev/null ||
        fail "this Rust has no target $target and there is no rustup to add it: https://rustup.rs"
    say "adding the target $target"
    quiet "rustup target add $target" rustup target add $target
}

build_rust() {
    need_target
    say "Rust: ${rust_filters[*]}"
    local name packages=()
    for name in "${rust_filters[@]}"; do packages+=(-p "$name"); done
    (cd "$filters" && cargo build --quiet --locked --release --target $target \
        --target-dir "$filters/target" "${packages[@]}") || fail "the Rust filters do not build"
    for name in "${rust_filters[@]}"; do
        # Cargo calls the file as the crate is called inside Rust.
        local built=$filters/target/$target/release/${name//-/_}.wasm
        place "$filters/$name/filter.toml" "$out/$name.toml"
        cmp -s "$built" "$out/$name.wasm" && continue
        place "$built" "$out/$name.wasm"
        say_size "$name"
    done
}

need_javascript() {
    componentize_qjs=$tools/node_modules/.bin/componentize-qjs
    command -v npm >/dev/null || fail "npm is missing: make setup, or install nodejs and npm"
    # npm writes it last.
    cmp -s "$filters/tools/package-lock.json" "$tools/package-lock.json" &&
        [ -f "$tools/node_modules/.package-lock.json" ] && return
    say "installing componentize-qjs"
    cp "$filters/tools/package.json" "$filters/tools/package-lock.json" "$tools"
    quiet "npm ci" npm ci --prefix "$tools" --no-audit --no-fund --silent
    "$componentize_qjs" --help >/dev/null || fail "componentize-qjs does not start here"
}

build_javascript() {
    local source=$filters/word-guard/filter.js made_from
    place "$filters/word-guard/filter.toml" "$out/word-guard.toml"
    made_from=$(fingerprint "$source" "$filters/tools/package-lock.json")
    is_built word-guard "$made_from" && return
    need_javascript
    say "JavaScript: word-guard"
    quiet "componentize-qjs" "$componentize_qjs" --wit "$filters/word-guard/wit" --world filter --js "$source" \
        --sync --stub-wasi --output "$tools/word-guard.wasm"
    finish word-guard "$tools/word-guard.wasm" "$made_from"
}

need_python() {
    local requirements=$filters/tools/requirements.txt python=$tools/python
    componentize_py=$python/bin/componentize-py
    # Where a plain `pip install --target` puts it, Python has to be told.
    export PYTHONPATH=$python/packages
    command -v python3 >/dev/null || fail "python3 is missing: make setup-test"
    cmp -s "$requirements" "$python/.installed" && return
    say "installing componentize-py"
    rm -rf "$python"
    local options=(--quiet --disable-pip-version-check --require-hashes --only-binary=:all: -r "$requirements")
    # On Debian, venv is there without python3-venv, but cannot put pip into what it makes.
    if python3 -c 'import ensurepip, venv' 2>/dev/null && python3 -m venv "$python" >/dev/null 2>&1; then
        quiet "pip install" "$python/bin/python" -m pip install "${options[@]}"
    elif python3 -m virtualenv --version >/dev/null 2>&1; then
        quiet "virtualenv" python3 -m virtualenv --quiet "$python"
        quiet "pip install" "$python/bin/python" -m pip install "${options[@]}"
    elif python3 -m pip --version >/dev/null 2>&1; then
        rm -rf "$python"
        quiet "pip install" python3 -m pip install --target "$python/packages" "${options[@]}"
        mkdir -p "$python/bin"
        ln -s ../packages/bin/componentize-py "$componentize_py"
    else
        fail "python3 has neither venv, virtualenv nor pip: install python3-venv"
    fi
    "$componentize_py" --version >/dev/null || fail "componentize-py does not start here"
    cp "$requirements" "$python/.installed"
}

build_python() {
    local source=$filters/welcome/filter.py made_from
    place "$filters/welcome/filter.toml" "$out/welcome.toml"
    made_from=$(fingerprint "$source" "$filters/tools/requirements.txt")
    is_built welcome "$made_from" && return
    need_python
    say "Python: welcome"
    quiet "componentize-py" "$componentize_py" --wit-path "$filters/welcome/wit" --world filter componentize \
        --python-path "$filters/welcome" --stub-wasi --output "$tools/welcome.wasm" filter
    finish welcome "$tools/welcome.wasm" "$made_from"
}

check() {
    cd "$filters"
    cargo fmt --check || fail "run cargo fmt in wasm-filters/filters"
    cargo clippy --quiet --locked --all-targets --target-dir "$filters/target" -- -D warnings ||
        fail "clippy found something"
    cargo test --quiet --locked --target-dir "$filters/target" || fail "a native test failed"
}

purpose=${1:-all}
case $purpose in
    rust | polyglot | all) mkdir -p "$out" "$tools" ;;
    check) check && exit ;;
    *) fail "unknown purpose '$purpose': rust, polyglot, all or check" ;;
esac
case $purpose in rust | all) build_rust ;; esac
case $purpose in polyglot | all)
    build_javascript
    build_python
    ;;
esac
say "ready in target/filters"
