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

.PHONY: help build demo test check vet clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

build: $(CAIRN) ## build bin/cairn

$(CAIRN): $(SOURCES)
	$(GO) build -tags $(TAGS) -ldflags '-s -w' -o $@ ./cmd/cairn

demo: $(CAIRN) ## build, start Temporal in the box, rebuild the demo benchmark, show the results
	$(CAIRN) --home $(HOME_D) run $(DEMO)

test: ## run all tests
	CGO_ENABLED=1 $(GO) test -race -shuffle=on $(PURE)
	$(GO) test -tags $(TAGS) -shuffle=on $(ENGINE)

check: vet test ## what CI runs

vet: ## gofmt, go vet, workflowcheck
	@test -z "$$(gofmt -l cmd deploy activities workflows plugins manifests *.go)" || { gofmt -l cmd deploy activities workflows plugins manifests *.go; exit 1; }
	$(GO) vet -tags $(TAGS) ./...
	$(GO) run go.temporal.io/sdk/contrib/tools/workflowcheck@v0.6.0 -config .workflowcheck.yaml ./workflows/...

clean: ## remove what was built
	rm -rf bin .cache
