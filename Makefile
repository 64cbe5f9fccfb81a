# `make` says what there is to make.

# The machine's own target, named explicitly: only then does RUSTFLAGS spare the build scripts, which
# cannot be static.
TARGET  ?= $(shell rustc -vV | sed -n 's/^host: //p')
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
IMAGE   ?= nodefall:$(VERSION)
# What `nodefall --version` and nodefall_build_info say; a build from a tarball does without.
REVISION := $(shell git rev-parse --short HEAD 2>/dev/null)

# rustup's cargo, also where the shell has not been told of it, and the tools that .ci/setup fetched.
export PATH := $(PATH):$(HOME)/.cargo/bin:$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/nodefall/bin
# The image takes the binary from here.
export CARGO_TARGET_DIR := $(CURDIR)/target

# How long `make fuzz` gives each target.
FUZZ_SECONDS ?= 20

.DEFAULT_GOAL := help
.PHONY: help build docker test soak format vet demo cluster e2e bench bench-recovery fuzz deny mutants load

help: ## what there is to make
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 21

build: ## the program for a cluster: static, small, without the demo; it says what it was built of
	@.ci/setup release
	$(if $(REVISION),NODEFALL_REVISION=$(REVISION)) RUSTFLAGS='-C target-feature=+crt-static' \
	  cargo auditable build --release --locked --target $(TARGET)
	@.ci/sbom target/$(TARGET)/release/nodefall
	@ls -lh target/$(TARGET)/release/nodefall

docker: build ## the image, with docker, podman or buildah; starts it once
	@.ci/image $(IMAGE) $(TARGET)

test: ## every test; fetches Prometheus and Alertmanager first if they are not there
	@.ci/setup test
	cargo test --locked --features demo

soak: ## 100,000 random histories, or NODEFALL_HISTORIES of them, or for a time (30m); says what it found
	@.ci/setup
	NODEFALL_HISTORIES=$(or $(NODEFALL_HISTORIES),100000) \
	  cargo test --locked --profile bench --features demo --test histories -- no_history

fuzz: ## bad input, made up for FUZZ_SECONDS a target; needs a nightly toolchain, else says so
	@.ci/fuzz $(FUZZ_SECONDS)

format: ## formats the code
	cargo fmt --all

vet: ## what a reviewer would not want to see: format and lints
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --workspace --all-targets --features demo -- -D warnings
	cargo clippy --locked --features demo --test e2e -- -D warnings

demo: ## a simulated cluster: a node loses power, its Prometheus comes back elsewhere
	@.ci/setup
	cargo run --locked --features demo -- demo

cluster: ## a real Kubernetes on loopback, whose nodes can lose power; QUICK=1 makes it impatient
	@.ci/setup cluster
	cargo build --locked
	cargo run --locked --package nodefall-testbed --bin cluster -- target/debug/nodefall $(if $(QUICK),--quick)

e2e: ## the program on a real Kubernetes control plane, which is built from Go modules once
	@.ci/setup e2e
	cargo build --locked --package nodefall-testbed
	cargo test --locked --features demo --test e2e

deny: ## what the dependencies are: licences, versions, sources, and advisories where they can be had
	@.ci/deny

mutants: ## takes guards out one by one: does a test notice? BASE=COMMIT: those that changed
	@.ci/mutants $(BASE)

bench: build ## measures the released program: size, memory, speed; see docs/measurements.md
	NODEFALL=$(CURDIR)/target/$(TARGET)/release/nodefall cargo bench --locked --features demo --bench measure

load: build ## load and misuse on loopback, and what they cost the released program; takes 5 minutes
	ulimit -n $$(ulimit -Hn) && NODEFALL=$(CURDIR)/target/$(TARGET)/release/nodefall \
	  cargo bench --locked --features demo --bench load

bench-recovery: build ## from a power loss to the replacement, beside Kubernetes alone; takes 40 minutes
	@.ci/setup e2e
	cargo run --locked --package nodefall-testbed --bin recovery -- \
	  $(CURDIR)/target/$(TARGET)/release/nodefall --rounds 3 --json docs/recovery.json
