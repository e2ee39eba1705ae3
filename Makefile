# Everything a developer or CI runs. `make help` lists the targets.
SHELL := /bin/bash
GO ?= go
BIN := bin/protei-bulk
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)

# Tools, pinned. They are built from the Go module proxy into bin/tools.
GOLANGCI_VERSION := v2.15.0
GOFUMPT_VERSION := v0.12.0
BENCHSTAT_VERSION := v0.0.0-20260908200009-22c9c6c9d4da
NFPM_VERSION := v2.43.1
GOVULNCHECK_VERSION := v1.9.0
CYCLONEDX_VERSION := v1.10.0
TOOLS := bin/tools

# Packages that are tested at a time: more than there are cores, as tests wait more than they work.
PACKAGES := $(shell expr $$(nproc) \* 3 / 2)
# Parallel tests of one package at a time: they wait for time-outs and processes.
PARALLEL := $(shell expr $$(nproc) \* 2)

# What releases are built with: the newest patch of Go, so that they have the mended standard
# library whatever Go the machine has. make vuln judges the code with it.
RELEASE_GO := go1.26.10
dist dist-check vuln: export GOTOOLCHAIN = $(RELEASE_GO)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: build
build: ## build the binary into bin/
	@mkdir -p bin
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/protei-bulk

.PHONY: demo
demo: build ## carry real messages end to end and print the verdict (about 100 s)
	./$(BIN) demo

.PHONY: test
test: ## run every test
	@./test/deps.sh
	$(GO) vet ./...
	$(GO) test -p $(PACKAGES) -parallel $(PARALLEL) -timeout 20m ./test ./... # the longest first

.PHONY: race
race: ## run the tests of the concurrent packages under the race detector; -short leaves out what has nothing to race
	$(GO) test -race -short -p $(PACKAGES) -timeout 20m ./smpp/... ./smsc/... ./bulk/... ./load/...
	RACE=1 KILL_ROUNDS=5 $(GO) test -timeout 5m -run Killed ./test

.PHONY: torture
torture: ## let faults befall the platform for TORTURE_TIME (default 10m); TORTURE_SEED repeats a run: docs/faults.md
	TORTURE_TIME=$${TORTURE_TIME:-10m} $(GO) test -timeout 24h -count 1 -run '^TestTorture$$' -v ./test
	STORE_HISTORIES=25 $(GO) test -timeout 30m -count 1 -run 'WholeCourse|Linearizable' ./bulk/store/... ./bulk/account

.PHONY: fuzz
fuzz: ## fuzz each parser for FUZZTIME (default 2s)
	./test/fuzz.sh $${FUZZTIME:-2s}

.PHONY: fuzz-deep
fuzz-deep: ## fuzz each parser with FUZZ_CASES cases (default 10000000), and note them in docs/fuzzing.md
	nice -n 19 ./test/fuzz-deep.sh

.PHONY: vuln
vuln: $(TOOLS)/govulncheck ## look for known vulnerabilities, in Go's database or in its copy in the module proxy; VULNDB: another copy
	GO='$(GO)' GOVULNCHECK='$(TOOLS)/govulncheck' ./test/vuln.sh $(VULNDB)

.PHONY: bench
bench: build ## print the figures of bench/README.md, measured here
	./bench/run.sh

.PHONY: bench-peers
bench-peers: build ## set the platform beside Kannel, and the load tester beside wrk, hey and others (about 5 min)
	$(GO) run ./bench/peers
	./bench/load-peers.sh 1

.PHONY: soak
soak: build ## half an hour (SOAK) at 70 % of the most: memory, latency, files, disk stay flat; figures into bench/soak.svg
	$(GO) run ./bench/e2e -mode soak -duration $(or $(SOAK),30m) -out bench/soak

.PHONY: bench-check
bench-check: $(TOOLS)/benchstat ## compare with the speed of bench/baseline.txt's commit, or of BASE (about 12 minutes)
	$(GO) run ./bench/check -benchstat $(TOOLS)/benchstat $(if $(BASE),-base $(BASE)) $(CHECK)

.PHONY: lint
lint: $(TOOLS)/golangci-lint $(TOOLS)/gofumpt ## gofumpt, vet, golangci-lint
	@out=$$($(TOOLS)/gofumpt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofumpt: $$out"; exit 1; fi
	$(GO) vet ./...
	$(TOOLS)/golangci-lint run ./...

.PHONY: check
check: lint test race fuzz ## what must pass before a change lands

.PHONY: dist
dist: $(TOOLS)/nfpm $(TOOLS)/cyclonedx-gomod ## release files for linux on amd64 and arm64 into dist/: program, .deb, .rpm, SBOM, checksums; SIGN_KEY signs
	VERSION='$(VERSION)' SIGN_KEY='$(SIGN_KEY)' ./deploy/package/build.sh $(ARCH)

.PHONY: dist-check
dist-check: $(TOOLS)/nfpm $(TOOLS)/cyclonedx-gomod ## build the release files twice, compare them, look into packages and SBOM, verify a signature
	./deploy/package/check.sh

.PHONY: clean
clean: ## remove what the build made
	rm -rf bin dist report.html report.json

$(TOOLS)/golangci-lint:
	@mkdir -p $(TOOLS)
	GOBIN=$(abspath $(TOOLS)) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

$(TOOLS)/benchstat:
	@mkdir -p $(TOOLS)
	GOBIN=$(abspath $(TOOLS)) $(GO) install golang.org/x/perf/cmd/benchstat@$(BENCHSTAT_VERSION)

$(TOOLS)/gofumpt:
	@mkdir -p $(TOOLS)
	GOBIN=$(abspath $(TOOLS)) $(GO) install mvdan.cc/gofumpt@$(GOFUMPT_VERSION)

$(TOOLS)/govulncheck:
	@mkdir -p $(TOOLS)
	GOBIN=$(abspath $(TOOLS)) $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)

$(TOOLS)/nfpm:
	@mkdir -p $(TOOLS)
	GOBIN=$(abspath $(TOOLS)) $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)

# Its digest stands in each SBOM, so it is built to be the same everywhere.
$(TOOLS)/cyclonedx-gomod:
	@mkdir -p $(TOOLS)
	CGO_ENABLED=0 GOBIN=$(abspath $(TOOLS)) $(GO) install -trimpath github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION)
