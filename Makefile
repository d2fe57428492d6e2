# Thin targets; the logic is in Go. `make help` lists them.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath
TAGS   := release,disable_grpc_modules
GO     := go
CAIRN  := bin/cairn
DEMO   := manifests/benchmarks/demo/benchmark.yaml
HOME_D ?= $(CURDIR)/.cache/demo
SOURCES := $(shell find cmd deploy activities workflows plugins manifests -name '*.go' -not -name '*_test.go') go.mod go.sum

# The engine is large and the race detector would compile it a second time, so the packages that link it are
# tested without the detector, with the binary's own build settings; all others are tested with it.
ENGINE := ./deploy/... ./cmd/...
PURE   := . ./activities/... ./manifests/... ./plugins/... ./workflows/...

# Tools by version, so that nothing need be installed; Go builds and caches them.
LINT          := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
WORKFLOWCHECK := $(GO) run go.temporal.io/sdk/contrib/tools/workflowcheck@v0.6.0
GOFMT_DIRS    := cmd deploy activities workflows plugins manifests $(wildcard *.go)
FUZZTIME      ?= 20s

# A registry of the OCI's own kind, which the tests of push and pull run against, and bench too.
TOOLS         := $(CURDIR)/.cache/tools
REGISTRY      := github.com/distribution/distribution/v3/cmd/registry@v3.1.2
CRANE         := github.com/google/go-containerregistry/cmd/crane@v0.22.1

.PHONY: help tools validators build demo test unit e2e check vet lint tidy arm64 chaos large fuzz bench peers hot clean

help: ## list the targets
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

build: $(CAIRN) ## build bin/cairn

$(CAIRN): $(SOURCES)
	$(GO) build -tags $(TAGS) -ldflags '-s -w' -o $@ ./cmd/cairn

demo: $(CAIRN) ## build, start Temporal in the box, rebuild the demo benchmark, show the results
	$(CAIRN) --home $(HOME_D) run $(DEMO)

test: unit e2e ## run all tests

tools: $(TOOLS)/registry $(TOOLS)/crane ## build what the tests run beside Cairn

$(TOOLS)/registry:
	GOBIN=$(TOOLS) $(GO) install $(REGISTRY) || echo "the registry could not be built; the tests that need it are skipped"

$(TOOLS)/crane:
	GOBIN=$(TOOLS) $(GO) install $(CRANE) || echo "crane could not be built; the test of docs/audit.md needs it"

# The validators of the formats that `cairn export` writes, and PyPI's copy of what they would ask the network for.
VALIDATORS := $(CURDIR)/.cache/validators/bin/python

validators: $(VALIDATORS) ## install what judges the exports: rocrate-validator, mlcroissant, OpenLineage's own classes

$(VALIDATORS):
	{ python3 -m venv .cache/validators.new && .cache/validators.new/bin/pip install -q --retries 1 roc-validator==0.13.0 rocrate==0.13.0 \
		mlcroissant==1.1.1 pyarrow==26.0.1 openlineage-python==1.54.0 && rm -rf .cache/validators && mv .cache/validators.new .cache/validators; } || \
		echo "the formats' validators could not be installed; the tests that need them are skipped"

unit: tools ## the tests of all packages that do not link the engine, with the race detector
	CGO_ENABLED=1 $(GO) test -race -shuffle=on -timeout 60m $(PURE)

e2e: tools validators ## the integration tests alone: the command line and the engine
	$(GO) test -tags $(TAGS) -shuffle=on -timeout 60m $(ENGINE)

check: vet lint tidy test arm64 ## what CI runs

vet: ## gofmt, go vet, and Temporal's check that workflows are deterministic
	@out=$$(gofmt -l $(GOFMT_DIRS)); test -z "$$out" || { echo "not formatted: $$out"; exit 1; }
	$(GO) vet -tags $(TAGS) ./...
	$(WORKFLOWCHECK) -config .workflowcheck.yaml ./workflows/...

lint: ## golangci-lint with .golangci.yml
	$(LINT) run ./...

tidy: ## go.mod says what is needed, and the modules are those of go.sum
	$(GO) mod tidy -diff
	$(GO) mod verify

arm64: ## the golden tests on an emulated arm64: the same bytes as here
	@if command -v qemu-aarch64 >/dev/null; then \
		GOARCH=arm64 $(GO) test -exec qemu-aarch64 -run 'Golden|Deterministic' ./plugins/... ./manifests/...; \
	else echo "arm64: skipped, qemu-aarch64 is not installed (Debian: qemu-user)"; fi

chaos: tools ## N (20) rebuilds of the demo and real-small; engine, workers, plugins, registry are killed, lines spoilt; the locks must be equal
	CHAOS_N=$(or $(N),20) $(GO) test -tags $(TAGS) -count 1 -timeout 0 -v -run 'TestChaos$$' ./cmd/internal/cli

large: ## N (10000) small steps, once straight and once killed in the middle and resumed: the same lock; what each command takes
	CAIRN_LARGE=$(or $(N),10000) $(GO) test -tags $(TAGS) -count 1 -timeout 120m -v -run 'TestLarge$$' ./cmd/internal/cli

fuzz: ## every fuzz target for FUZZTIME (20s)
	@for p in $$(grep -rl --include='*_test.go' '^func Fuzz' activities manifests plugins workflows | xargs -n1 dirname | sort -u); do \
		for f in $$(grep -oh '^func Fuzz[A-Za-z0-9_]*' $$p/*_test.go | cut -c6-); do \
			echo "== $$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) ./$$p || exit 1; \
		done; \
	done

bench: $(CAIRN) tools ## Cairn beside its peers, into BENCHMARKS.md: WORK=verify,ecg SIZE=small ROUNDS=3 OUT=folder (all, full, 5, here)
	$(GO) build -o bin/bench ./cmd/bench
	bin/bench -work '$(WORK)' -size $(or $(SIZE),full) -rounds $(or $(ROUNDS),5) -out $(or $(OUT),.)

peers: tools ## install what bench compares Cairn with: from Debian (as root), and under .cache
	apt-get install -y -qq --no-install-recommends git-annex restic skopeo
	python3 -m venv .cache/peers
	.cache/peers/bin/pip install -q snakemake==9.27.1 wfdb==4.3.1 scipy==1.17.1 Pillow==13.0.0
	GOBIN=$(TOOLS) $(GO) install oras.land/oras/cmd/oras@v1.3.6

hot: ## the hot paths by themselves
	$(GO) test -run '^$$' -bench . $$(grep -rl --include='*_test.go' '^func Benchmark' activities manifests plugins workflows | xargs -n1 dirname | sort -u | sed 's|^|./|')

clean: ## remove what was built
	rm -rf bin .cache
