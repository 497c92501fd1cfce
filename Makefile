# What there is to do here. Needs Rust, a C compiler and make; `bundle` and `test` also Python, `interop` Node too.

BINARY := target/epicme
PEERS := target/bench-peers
COURSE := docs/build
DENY := 0.20.2
TRIPLE := $(shell rustc -vV | sed -n 's/^host: //p')

# Where `install` puts things: below PREFIX, and with DESTDIR into a copy of the root.
PREFIX := /usr/local
DESTDIR :=
INSTALLED := bin/epicme share/man/man1/epicme.1 share/bash-completion/completions/epicme \
	share/zsh/site-functions/_epicme share/fish/vendor_completions.d/epicme.fish
ifeq ($(shell uname), Linux)
INSTALLED += lib/systemd/system/epicme.service
endif
ROOT := $(DESTDIR)$(PREFIX)

# What `dist` makes. Its bytes follow from the commit, the versions of Rust and of the C compiler, and the C library:
# not from the folder, the user or the hour. A path of this machine would be in the texts of panics.
DIST := target/dist
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
RELEASE := epicme-$(VERSION)-$(TRIPLE)
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
CRATES := $(or $(CARGO_HOME),$(HOME)/.cargo)
REMAP := "--remap-path-prefix=$(CRATES)=/cargo", "--remap-path-prefix=$(CURDIR)=/epicme"
TAR := $(shell command -v gtar || command -v tar)
SHA256 := $(shell command -v sha256sum || echo shasum -a 256)

.PHONY: help run build bundle test interop crates bench fmt install uninstall dist tarball

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
	cargo fmt --check --all --manifest-path $(COURSE)/Cargo.toml
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --all-targets --manifest-path $(COURSE)/Cargo.toml --target-dir target/build -- -D warnings
	cargo clippy --locked --all-targets --manifest-path $(COURSE)/Cargo.toml --target-dir target/build \
		--features answer -- -D warnings
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
	cargo fmt --all --manifest-path $(COURSE)/Cargo.toml

install: ## install what was built, with its man page, completions and unit, below PREFIX
	@test -x $(BINARY) || { echo 'there is no $(BINARY): build it first, with make build' >&2; exit 1; }
	for file in $(INSTALLED); do install -d "$(ROOT)/$${file%/*}" || exit; done
	install -m 755 $(BINARY) "$(ROOT)/bin/epicme"
	install -m 644 packaging/epicme.1 "$(ROOT)/share/man/man1/epicme.1"
	install -m 644 packaging/completions/epicme.bash "$(ROOT)/share/bash-completion/completions/epicme"
	install -m 644 packaging/completions/_epicme "$(ROOT)/share/zsh/site-functions/_epicme"
	install -m 644 packaging/completions/epicme.fish "$(ROOT)/share/fish/vendor_completions.d/epicme.fish"
ifneq ($(filter %.service, $(INSTALLED)),)
	sed 's|/usr/local/bin/epicme|"$(PREFIX)/bin/epicme"|; s|"\([^ "]*\)"|\1|' packaging/epicme.service \
		>"$(ROOT)/lib/systemd/system/epicme.service"
	chmod 644 "$(ROOT)/lib/systemd/system/epicme.service"
endif

# Each path is quoted: of a folder with a blank in its name, rm would take each word for a file to remove.
uninstall: ## remove what install has put below PREFIX
	for file in $(INSTALLED); do rm -f "$(ROOT)/$$file" || exit; done

dist: ## build the release, a tarball and its checksum in target/dist: the same bytes wherever it is built
	CFLAGS='-ffile-prefix-map=$(CRATES)=/cargo -ffile-prefix-map=$(CURDIR)=/epicme' cargo build --locked --release \
		--target-dir $(DIST)/build --config 'target."cfg(unix)".rustflags = [$(REMAP)]'
	$(MAKE) tarball BINARY=$(DIST)/build/$(TRIPLE)/release/epicme

tarball: # of a program that is built; a test makes it of another one
	rm -rf $(DIST)/root $(DIST)/$(RELEASE)
	$(MAKE) install DESTDIR=$(DIST)/root PREFIX=/usr/local
	mv $(DIST)/root/usr/local $(DIST)/$(RELEASE)
	install -d $(DIST)/$(RELEASE)/docs $(DIST)/$(RELEASE)/data
	install -m 644 README.md CHANGELOG.md LICENSE packaging/Containerfile $(DIST)/$(RELEASE)
	install -m 644 docs/operating.md $(DIST)/$(RELEASE)/docs
	packaging/licences.sh $(CRATES) >$(DIST)/$(RELEASE)/THIRD-PARTY-LICENSES
	cd $(DIST) && $(TAR) --format=ustar --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --numeric-owner \
		--mode=u=rwX,go=rX -cf - $(RELEASE) | gzip -9n >$(RELEASE).tar.gz
	rm -rf $(DIST)/root $(DIST)/$(RELEASE)
	cd $(DIST) && $(SHA256) $(RELEASE).tar.gz >SHA256SUMS
