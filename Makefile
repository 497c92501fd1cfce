# What there is to do here. Needs Rust, a C compiler and make; `bundle` and `test` also Python, `interop` Node too.

BINARY := target/epicme
PEERS := target/bench-peers
DENY := 0.20.2
TRIPLE := $(shell rustc -vV | sed -n 's/^host: //p')

.PHONY: help run build bundle test interop crates bench fmt

help: ## show this
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

run: build ## build, and serve http://127.0.0.1:8787 with an example journal
	$(BINARY) serve --demo

build: ## build the fully static release binary, target/epicme
	cargo build --locked --release
	@ln -sf $(TRIPLE)/release/epicme $(BINARY)

bundle: build ## pack target/epicme.mcpb, which Claude Desktop installs
	packaging/bundle.py $(BINARY) target/epicme.mcpb

test: build ## check format, lints and documentation, and run every test
	cargo fmt --check
	cargo fmt --check --manifest-path tests/interop/rmcp/Cargo.toml
	cargo fmt --check --manifest-path tests/bench/peers/Cargo.toml
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items
	cargo test --locked

interop: build ## run the real MCP clients against the binary
	EPICME=$(BINARY) tests/interop/run

crates: ## check the licences and sources of all crates (builds cargo-deny first)
	cargo install --quiet --locked --root target/tools --version $(DENY) cargo-deny
	target/tools/bin/cargo-deny --locked check bans licenses sources

bench: build ## compare speed and memory with their limits and with peers, as ratios
	cargo build --locked --release --manifest-path tests/bench/peers/Cargo.toml --target-dir $(PEERS)
	EPICME=$(BINARY) PEERS=$(PEERS)/$(TRIPLE)/release/epicme-bench-peers cargo bench --locked --bench bench

fmt: ## format the code
	cargo fmt
	cargo fmt --manifest-path tests/interop/rmcp/Cargo.toml
	cargo fmt --manifest-path tests/bench/peers/Cargo.toml
