# Everything a person or CI does with the project. `make help` lists it.

# Recipes never pass a target directory or a job count: cargo's own settings hold.
CARGO ?= cargo
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help setup ready run serve test lint fmt deny bench conformance api fuzz fuzz-replay ci

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: ## Install the system packages that are missing (Debian, Ubuntu)
	@scripts/setup.sh --tests

# What the tests alone need is left out.
ready:
	@scripts/setup.sh

run: ready ## Install, build, play a demonstration call against the server; on a terminal, go on serving
	$(CARGO) build --release --locked -p trunkline
	@$(CARGO) run --quiet --release --locked -p trunkline -- demo
	@if [ -t 0 ] && [ -t 1 ] && [ -z "$$CI" ]; then \
		exec $(CARGO) run --quiet --release --locked -p trunkline -- serve; \
	fi

serve: ready ## Build and run the server until Ctrl-C
	$(CARGO) run --release --locked -p trunkline -- serve

test: setup ## Run every test
	$(CARGO) test --workspace --locked

lint: ## Check formatting and lints, as CI does
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

fmt: ## Format the code
	$(CARGO) fmt --all

deny: ## Check licences, bans and sources of all dependencies
	@scripts/deny.sh

bench: ready ## Measure speed and size (minutes; wants both cores to itself)
	$(CARGO) build --release --locked -p trunkline
	@if ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then \
		scripts/with-postgres.sh $(CARGO) run --quiet --release --locked -p trunkline -- bench --postgres; \
	else \
		$(CARGO) run --quiet --release --locked -p trunkline -- bench; \
	fi

conformance: ready ## Play the carrier against our own server and check every rule
	$(CARGO) build --locked -p trunkline
	@scripts/conformance.sh

api: ready ## Ask the API everything that its document allows, and more (Schemathesis, from PyPI)
	$(CARGO) build --locked -p trunkline
	@scripts/schemathesis.sh

fuzz: ## Fuzz each target for FUZZ_SECONDS (needs a nightly toolchain and cargo-fuzz)
	@scripts/fuzz.sh $(FUZZ_SECONDS)

fuzz-replay: ## Run the committed fuzz corpora through their targets, on stable Rust
	$(CARGO) test --locked -p trunkline --test fuzz_corpus

ci: ## Everything that CI checks
	@bash .ci/run
