# Two commands do everything on a fresh machine with Rust: `make run` and `make test`.
# Both install what is missing as Debian packages and say what and why; CARGO_TARGET_DIR may point at a cache of builds.

SHELL := /bin/bash
export CARGO_TERM_COLOR ?= auto
TARGET := $(or $(CARGO_TARGET_DIR),target)
DATA   ?= .sampan
PORT   ?= 6443

.PHONY: help run build test check fmt bench samples clean

help: ## What there is to do
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Build, start everything in one process, deploy the demo and say what to try
	@scripts/need run
	cargo build --profile fast --package sampan
	@exec $(TARGET)/fast/sampan up --data-dir $(DATA) --api-port $(PORT) --demo samples/hello-http

build: ## Build the release binary
	@scripts/need run
	cargo build --release --package sampan

test: ## Run every test: unit, property, store on SQLite and Postgres, simulation, real kubectl
	@scripts/need test
	cargo build --workspace --bins --tests
	cargo test --workspace

check: ## Formatting, lints, invariants of the house
	@scripts/need run
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	cargo xtask tidy

fmt: ## Format the sources
	cargo fmt --all

bench: ## Run the benchmarks behind docs/benchmarks.md
	@scripts/need bench
	benches/run

samples: ## Rebuild the samples' components and compare them with the committed ones
	samples/build --check

clean: ## Forget the demo's data and the build
	rm -rf $(DATA) target
