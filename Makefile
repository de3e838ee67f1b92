# The front door. `make` lists what there is.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO          ?= go
STATICCHECK := $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2

# Modules of their own: the end-to-end suites, the benchmark, and examples in Go.
NESTED := $(patsubst %/go.mod,%,$(wildcard test/go.mod bench/go.mod examples/*/go.mod))

# The packages whose goroutines meet.
RACED := ./commit/... ./index/... ./log/... ./exec/... ./isolates/... ./server/... ./internal/engine/...

# Packages with transcripts: those whose tests import datadriven take the flag -rewrite, others reject it.
GOLDEN = $(shell $(GO) list -f '{{range .TestImports}}{{if eq . "github.com/cockroachdb/datadriven"}}{{$$.ImportPath}} {{end}}{{end}}{{range .XTestImports}}{{if eq . "github.com/cockroachdb/datadriven"}}{{$$.ImportPath}} {{end}}{{end}}' ./...)

FUZZTIME ?= 20s
COUNT    ?= 6
SOAK     ?= Kafka

.PHONY: help
help: ## List the targets
	@echo "make TARGET, where TARGET is"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A shell function: apt_install PACKAGE...
APT_INSTALL = apt_install() { \
	  echo "deps: installing $$* with apt-get"; \
	  if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends "$$@"; \
	}

.PHONY: deps
deps: deps-node deps-browser deps-python deps-rust ## Install what the tests run besides Go, by apt-get, if it is missing
	@echo "deps: $$($(GO) version)"

.PHONY: deps-node
deps-node: ## Node and npm, for the official JavaScript clients
	@$(APT_INSTALL); if ! command -v node >/dev/null || ! command -v npm >/dev/null; then apt_install nodejs npm; fi
	@echo "deps: node $$(node --version), npm $$(npm --version 2>/dev/null)"

.PHONY: deps-browser
deps-browser: ## Chromium, for the page of examples/chat
	@$(APT_INSTALL); if ! command -v chromium >/dev/null; then apt_install chromium; fi
	@echo "deps: $$(chromium --version 2>/dev/null)"

.PHONY: deps-python
deps-python: ## Python with venv, for the official Python client
	@$(APT_INSTALL); if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then apt_install python3 python3-venv; fi
	@echo "deps: $$(python3 --version)"

# The Rust that Debian releases may be older than crates want; then it has a newer one for its browsers.
CARGO_OK = cargo --version 2>/dev/null | awk '{ split($$2, v, "."); exit !(v[1] > 1 || v[2] >= 85) }'

.PHONY: deps-rust
deps-rust: ## Cargo 1.85 or newer, for the official Rust client
	@$(APT_INSTALL); if ! $(CARGO_OK); then apt_install cargo gcc libc6-dev; fi
	@$(APT_INSTALL); if ! $(CARGO_OK); then apt_install cargo-web rustc-web; fi
	@$(CARGO_OK) || { echo "deps: cargo is older than 1.85: install a newer one, such as from https://rustup.rs"; exit 1; }
	@echo "deps: $$(cargo --version)"

.PHONY: deps-kafka
deps-kafka: ## Install what a real Kafka takes: Java, Maven and kcat by apt-get if they are missing, then the jars by Maven
	@missing=; for p in java:default-jre-headless mvn:maven kcat:kcat; do \
	  command -v "$${p%%:*}" >/dev/null || missing="$$missing $${p##*:}"; done; \
	if [ -n "$$missing" ]; then \
	  echo "deps-kafka: installing$$missing with apt-get"; \
	  if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends $$missing; \
	fi
	@test/kafka/broker jars

.PHONY: kafka
kafka: deps-kafka ## Start a real Kafka in the background, on 127.0.0.1:KAFKA_PORT (9092); returns when it is ready
	@test/kafka/broker start .runlog/kafka

.PHONY: kafka-stop
kafka-stop: ## End the Kafka of `make kafka`
	@test/kafka/broker stop .runlog/kafka

.PHONY: build
build: ## Build the programs into bin/
	$(GO) build -o bin/ ./cmd/...

.PHONY: shims
shims: deps-node ## Bundle again what isolates take from npm packages: isolates/shims/vendor names and pins them
	isolates/shims/vendor/bundle

.PHONY: cldr
cldr: deps-node ## Extract the locale data of isolates/intl again from the CLDR's npm packages, and what Node makes of it for the test
	cd isolates/intl/cldr && npm ci --silent --no-audit --no-fund --ignore-scripts && node extract.mjs && node golden.mjs

.PHONY: vet
vet: ## go vet, in every module
	$(GO) vet ./...
	@for m in $(NESTED); do echo "go vet ($$m)"; (cd $$m && $(GO) vet ./...); done

.PHONY: test
test: deps deps-kafka vet ## All tests: Go packages, then the end-to-end suites, which install Node packages with npm
	$(GO) test -timeout 15m ./...
	@for m in $(NESTED); do echo "go test ($$m)"; (cd $$m && $(GO) test -timeout 40m ./...); done

.PHONY: race
race: ## The tests of the packages whose goroutines meet, under the race detector and with invariants checked
	$(GO) test -race -tags invariants -timeout 15m $(RACED)

.PHONY: golden
golden: ## Rewrite the expected output of transcripts; commit a difference only if you can explain it
	@packages="$(strip $(GOLDEN))"; if [ -z "$$packages" ]; then echo "no package has transcripts"; else \
	  $(GO) test -count=1 $$packages -rewrite; fi

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME each (20s)
	@$(GO) list -f '{{.ImportPath}} {{.Dir}}' ./... | while read -r package dir; do \
	  { grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$$dir"/*_test.go 2>/dev/null || true; } | cut -c6- | while read -r target; do \
	    echo "fuzz $$package $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null; \
	  done; \
	done

.PHONY: microbench
microbench: ## The packages' own benchmarks, COUNT times each (6), as benchstat reads them
	$(GO) test -run '^$$' -bench . -benchmem -count $(COUNT) ./...

.PHONY: bench
bench: deps-node ## Measure runlog beside its peers and write docs/bench/DATE.md; BENCH="-rounds 1" passes flags on
	cd bench && $(GO) run . -out ../docs/bench/DATE.md $(BENCH)

.PHONY: lint
lint: ## Formatting, go vet, staticcheck, and the house rules of internal/lint
	@files="$$(git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -l)"; \
	  if [ -n "$$files" ]; then echo "gofmt would change:"; echo "$$files"; exit 1; fi
	$(GO) vet ./...
	$(GO) test -count=1 ./internal/lint
	$(STATICCHECK) ./...
	@for m in $(NESTED); do echo "staticcheck ($$m)"; (cd $$m && $(STATICCHECK) ./...); done

.PHONY: e2e
e2e: deps deps-kafka ## Only the end-to-end suites
	cd test && $(GO) test -count=1 -timeout 15m ./...

.PHONY: soak
soak: deps deps-kafka ## The randomised and killing tests, at length
	cd test && RUNLOG_SOAK_ROUNDS=100 $(GO) test -count=1 -timeout 60m -v -run 'Killed' ./...
	cd test && RUNLOG_SOAK=1 $(GO) test -count=1 -timeout 4h -v -run 'Kafka' ./...
	cd test && RUNLOG_SOAK=1 $(GO) test -count=1 -timeout 60m -v -run 'TestWatchProperties|TestManySockets|TestSlowReaders' ./...

.PHONY: check
check: lint test race ## Everything a change has to pass, and a clean work tree after it
	@if [ -n "$$(git status --porcelain)" ]; then echo "the work tree is not clean:"; git status --short; exit 1; fi
