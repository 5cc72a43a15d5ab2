# The entry points of this project; each sets up what it needs. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Node 24 and every tool come from node_modules; the machine's own Node only installs them.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

JEST := node --experimental-vm-modules --disable-warning=ExperimentalWarning node_modules/jest/bin/jest.js

##@ Use
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(if $(filter fleet,$(SCENE)),tools-all,tools-go) ## Show three sessions from `kubectl apply` to their grades (KEEP=1: leave all of it running until Ctrl-C), or with SCENE=fleet workers that come and go
	@exec node hack/demo/main.ts

cluster: tools-go ## Start a Kubernetes API server in the background and write .cluster/kubeconfig (CLUSTER=embedded|kind; NODES=3: with nodes that run pods of our image, and Helm)
	@node hack/cluster/main.ts up

cluster-down: tools ## End the cluster that `make cluster` started
	@node hack/cluster/main.ts down

run: tools ## Run the controller from source against KUBECONFIG, else against the cluster of `make cluster`
	@KUBECONFIG="$${KUBECONFIG:-.cluster/kubeconfig}" exec node src/main.ts

##@ Develop
test: tools-all ## Verify, then run every test against real API servers
	@checks=0; node hack/verify.ts || checks=$$?; node test/support/build-programs.ts || checks=$$((checks + 1)); FAILED_CHECKS=$$checks $(JEST) --reporters=./test/support/quiet-reporter.ts

bench: tools-go ## Measure against the budgets and write bench/results.json (ONLY="name ..." for some rows, SIZE=small for a quick look)
	@exec node bench/main.ts $(if $(SIZE),--size $(SIZE)) $(ONLY)

day: tools ## Simulate a day with 2,000 bookings: this controller beside fixed fleets and beside the rules without a calendar
	@exec node bench/day/main.ts

soak: tools-go ## Play the long runs: 500 sessions of every fate, 300 in chaos three times, an API server that is away for two minutes, the installation guide, ten minutes of events (LABLET_SEED=n plays sessions again)
	@node test/soak/main.ts
	@node test/chaos/main.ts
	@SOAK=1 node --experimental-vm-modules node_modules/jest/bin/jest.js --selectProjects e2e -- test/e2e/scenarios/11
	@node test/guide/main.ts
	@exec node bench/main.ts --results bench/results-soak.json endurance

generate: tools ## Write the generated files: CRDs, RBAC, reference documentation
	@node hack/generate/main.ts

verify: tools ## Check that generated files are current, types, lint, the import rule, dead code, licences and advisories
	@node hack/verify.ts

audit: tools ## Ask the registry for advisories about the packages of the image; a high or critical one is a failure
	@node hack/audit.ts

lint: tools ## Lint only
	@eslint .

build: tools ## Bundle the controller and the plugin of kubectl into one file each, in dist/
	@node hack/bundle/main.ts

##@ Release
image: tools ## Build the container image with docker, podman or buildah (IMAGE=name:tag ENGINE= BUILD_IMAGE= RUNTIME_IMAGE= NPMRC=)
	@exec node hack/image/main.ts build

sbom: tools ## Write the software bill of materials to dist/, as SPDX and as CycloneDX
	@node hack/image/main.ts sbom

release: tools ## Write released/VERSION: schemas, CRDs, manifests, chart, the program and the plugin (VERSION=1.2.3)
	@node hack/generate/main.ts --check && node hack/release/main.ts "$(VERSION)"

# What a recipe needs on the machine; packages are installed where they are missing.
tools:
	@node hack/bootstrap.mjs
tools-go:
	@node hack/bootstrap.mjs go
tools-all:
	@node hack/bootstrap.mjs go python

.PHONY: help demo cluster cluster-down run test bench day soak generate verify audit lint build image sbom release tools tools-go tools-all
