# `make run` and `make test` are all that a newcomer needs. Both install what is missing first.

SHELL := /bin/bash
# rustup puts cargo here; a shell that was open before does not know yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

CARGO  ?= cargo
ARGS   ?=
PREFIX ?= /usr/local
CONFIG ?= /etc/tollgate
UNITS  ?= /etc/systemd/system
BINARY := $(or $(CARGO_TARGET_DIR),target)/release/tollgate

.DEFAULT_GOAL := help
.PHONY: help run build test sdk agents check bench deny install uninstall clean

help: ## What each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Install what is missing, build, and run the quick start (ARGS="--config my.yaml" for your own)
	@scripts/install-tools.sh build
	$(CARGO) run --release --locked -- $(ARGS)

build: ## Install what is missing, and build the binary
	@scripts/install-tools.sh build
	$(CARGO) build --release --locked

test: ## Install what is missing, and run every test (SDK=require: none may be skipped for want of an SDK)
	@scripts/install-tools.sh build test
	@tests/sdk/install.sh
	$(CARGO) test --locked

sdk: ## Fetch the official SDKs that the tests use
	@scripts/install-tools.sh test
	@SDK=require tests/sdk/install.sh

agents: ## Fetch Claude Code and Codex (800 MB), which tests/agents.rs runs where they are
	@scripts/install-tools.sh test
	@SDK=require tests/sdk/install.sh agents

check: ## Formatting and lints
	@scripts/install-tools.sh build lint
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

bench: ## Figures against a bare Pingora pass-through (see benches/README.md)
	@scripts/install-tools.sh build
	$(CARGO) build --release --locked
	$(CARGO) bench --locked

deny: ## Licences, sources and known holes of every dependency (fetches the advisory database)
	@$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install cargo-deny --locked
	$(CARGO) deny check

# Builds nothing: root seldom has a cargo of its own.
install: ## Install what `make build` made, the unit and a first configuration (as root; DESTDIR for packagers)
	@test -x $(BINARY) || { echo "$(BINARY) is missing: run make build first, without sudo" >&2; exit 1; }
	install -D -m 0755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/tollgate
	install -D -m 0644 systemd/tollgate.service $(DESTDIR)$(UNITS)/tollgate.service
	install -d -m 0755 $(DESTDIR)$(CONFIG)
	install -d -m 0700 $(DESTDIR)$(CONFIG)/credentials
	test -e $(DESTDIR)$(CONFIG)/config.yaml || install -m 0644 systemd/config.yaml $(DESTDIR)$(CONFIG)/config.yaml
	@echo "Next: edit $(CONFIG)/config.yaml, then: systemctl daemon-reload && systemctl enable --now tollgate"

uninstall: ## Remove the binary and the unit; keep the configuration
	rm -f $(DESTDIR)$(PREFIX)/bin/tollgate $(DESTDIR)$(UNITS)/tollgate.service

clean: ## Remove everything that was built or fetched
	$(CARGO) clean
	rm -rf target
