# Everything anybody does with this tree. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export PATH := $(PATH):$(HOME)/.cargo/bin
# A failed test says what is wrong; thirty frames of an executor behind it hide that in a long log.
export RUST_BACKTRACE := 0

web := edge/web
web_sources := $(shell find $(web) -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
step = @printf '\n=== %s (%s)\n' '$(1)' "$$(date +%T)"

.PHONY: help setup setup-test setup-bench web filters guests filters-rust build demo demo-up demo-down test \
	test-rust test-web test-filters lint lint-rust fuzz bench autobahn deny clean-state

help: ## Lists the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Makes a fresh Debian machine ready to build and run.
	@scripts/setup.sh demo

setup-test:
	@scripts/setup.sh test

setup-bench:
	@scripts/setup.sh bench

# npm writes the first file itself; it is older than the lock file when that has changed.
$(web)/node_modules/.package-lock.json: $(web)/package-lock.json | setup
	$(call step,npm ci)
	cd $(web) && npm ci --no-audit --no-fund
	touch $@

$(web)/dist/index.html: $(web)/node_modules/.package-lock.json $(web_sources)
	$(call step,the page)
	cd $(web) && npm run build
	touch $@

# What the origin embeds comes of the same build.
origin/web/dist/admin/streams.html: $(web)/dist/index.html
	test -e $@ || (cd $(web) && npm run build)
	touch $@

web: $(web)/dist/index.html origin/web/dist/admin/streams.html ## Builds the page, when it has changed.

# Into target/filters, each with its manifest.
filters: setup-test ## Builds the shipped filters, those in JavaScript and Python too.
	$(call step,filters)
	scripts/filters.sh all

# Well-behaved and hostile ones, for tests.
guests: setup-test
	$(call step,test guests)
	cargo build --release --locked --target wasm32-wasip2 --manifest-path wasm-filters/guests/Cargo.toml

filters-rust: setup
	$(call step,filters in Rust)
	scripts/filters.sh rust

build: setup web filters-rust ## Builds the release binaries and the filters.
	$(call step,release binaries)
	cargo build --release --locked -p origin -p edge -p weirctl --bins

demo: build ## Origin, shield, leaf and a test picture, until Ctrl-C.
	@scripts/demo.sh run

demo-up: build ## The same in the background.
	@scripts/demo.sh up

demo-down: ## Stops it.
	@scripts/demo.sh down

test: setup-test web lint-rust test-filters test-rust test-web ## Everything that must hold before a push.
	$(call step,fuzz targets for 10 s each)
	fuzz/run.sh 10
	$(call step,all well)

lint: web lint-rust ## Formatting and clippy; warnings are errors.

# The edge embeds the page, so it compiles only when that is built.
lint-rust: web
	$(call step,formatting)
	cargo fmt --all --check
	$(call step,clippy)
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(call step,formatting and clippy of the test guests)
	cargo fmt --all --check --manifest-path wasm-filters/guests/Cargo.toml
	cargo clippy --workspace --locked --target wasm32-wasip2 \
		--manifest-path wasm-filters/guests/Cargo.toml -- -D warnings

tests/browser/node_modules/.package-lock.json: tests/browser/package-lock.json | setup-test
	$(call step,npm ci for the browser test)
	cd tests/browser && npm ci --no-audit --no-fund
	touch $@

test-filters: setup-test ## Checks the shipped filters' own code.
	$(call step,formatting, clippy and native tests of the filters)
	scripts/filters.sh check

tests/http-cache/node_modules/.package-lock.json: tests/http-cache/package-lock.json | setup-test
	$(call step,npm ci for http-cache-tests)
	cd tests/http-cache && npm ci --no-audit --no-fund
	touch $@

# Without cargo-nextest the same tests run, all of them one at a time.
test-rust: web filters guests lint-rust tests/browser/node_modules/.package-lock.json \
		tests/http-cache/node_modules/.package-lock.json
	$(call step,binaries)
	cargo build --workspace --bins --locked
	$(call step,tests)
	if cargo nextest --version >/dev/null 2>&1; then \
		cargo nextest run --workspace --locked; \
	else \
		echo 'cargo-nextest is not installed: cargo test instead'; \
		cargo test --workspace --lib --bins --tests --locked -- --test-threads=1; \
	fi
	$(call step,documentation tests)
	cargo test --workspace --doc --locked

test-web: web
	$(call step,tests of the page)
	cd $(web) && npm test --if-present

fuzz: ## Fuzzes each parser for a minute; FUZZ_SECONDS=n for longer.
	fuzz/run.sh $${FUZZ_SECONDS:-60}

bench: setup-bench build guests ## Measures, against nginx and Caddy too; see BENCHMARKS.md.
	cargo build --release --locked -p loadtest --bins
	$(call step,packaging)
	cargo bench --locked -p cmaf -p hls -p rtmp --bench part --bench render --bench demux
	$(call step,filters)
	cargo bench --locked -p wasm-filters --bench call --bench chat --bench grant --bench swaps
	$(call step,serving)
	target/release/weir-loadtest bench --edge target/release/weir-edge \
		--origin target/release/weir-origin --weirctl target/release/weirctl --out bench-out

autobahn: web ## The Autobahn suite against the WebSocket code of rooms (needs Python 2.7).
	scripts/autobahn.sh

deny: ## Checks licences, bans and sources of all dependencies; needs cargo-deny.
	@cargo deny --version || { echo 'install it with: cargo install --locked cargo-deny'; exit 1; }
	cargo deny --locked check bans licenses sources

clean-state: demo-down ## Forgets certificates, logs and configuration of the demonstration.
	rm -rf .state
