# crawlfleet. `make help` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# One set of build flags for everything: each further set would fill a build cache of its own.
# (The linters and the tests use them too.)
export GOTOOLCHAIN := local
export CGO_ENABLED := 0
export GOFLAGS := $(strip $(filter-out -trimpath,$(GOFLAGS)) -trimpath)
GOBUILD := go build -ldflags '-s -w'
KUBE_VERSION := v1.37.2
KUBE_FLAGS := -s -w -X k8s.io/component-base/version.gitVersion=$(KUBE_VERSION) -X k8s.io/client-go/pkg/version.gitVersion=$(KUBE_VERSION)
REPLAY_VERSION := 2.5.3

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo
	@echo '  make run URL=https://example.org/   crawls that site instead of the bundled demo'
	@echo '  make run FILE=job.yaml              applies that CrawlJob'
	@echo '  make run ONCE=1                     ends with the verdict of the crawl as exit code'

# They reach the shell as variables: an address may hold what the shell would read otherwise.
export URL FILE BESIDE

.PHONY: run
run: build chromium ## Start everything on this machine, crawl the demo site and show the snapshots
	@bin/devstack run --dir .run --bin bin --config config --replay build/replay \
		$(if $(URL),--url "$$URL") $(if $(FILE),--file "$$FILE") $(if $(ONCE),--once)

.PHONY: build
build: programs bin/devstack bin/kubectl bin/site bin/idp replay ## Build every program into bin/

.PHONY: programs
programs:
	@mkdir -p bin
	@$(GOBUILD) -o bin/ ./cmd/...

.PHONY: bin/devstack bin/kubectl bin/helm bin/site bin/idp build/neighbour
bin/devstack: ; @echo 'building bin/devstack (about ten minutes if it was never built: it holds a Kubernetes API server, etcd, Temporal and an S3 server)'; cd devstack && go build -ldflags '$(KUBE_FLAGS)' -o ../bin/devstack ./cmd/devstack
bin/kubectl: ; @cd devstack && go build -ldflags '$(KUBE_FLAGS)' -o ../bin/kubectl k8s.io/kubernetes/cmd/kubectl
bin/helm: ; @mkdir -p bin && cd tools && $(GOBUILD) -o ../bin/ helm.sh/helm/v4/cmd/helm
bin/site: ; @cd test && $(GOBUILD) -o ../bin/site ./cmd/site
bin/idp: ; @cd test && $(GOBUILD) -o ../bin/idp ./cmd/idp
build/neighbour: ; @mkdir -p build && cd test && $(GOBUILD) -o ../build/neighbour ./cmd/neighbour

# ReplayWeb.page is AGPL: fetched when building, unmodified, served as files of its own.
.PHONY: replay
replay: build/replay/$(REPLAY_VERSION)
build/replay/$(REPLAY_VERSION): | node
	@hack/fetch-replay.sh $(REPLAY_VERSION) build/replay
	@touch $@

.PHONY: chromium chromiums node openssl
chromium: ; @hack/need.sh chromium-headless-shell chromium-headless-shell
chromiums: chromium ; @hack/need.sh chromium chromium
node: ; @hack/need.sh npm npm
openssl: ; @hack/need.sh openssl openssl

# Images without Docker and without a registry: docs/images.md. (A platform other than this machine's
# is compiled anew from the first package on, and a worker for it needs qemu.)
IMAGES ?= operator portal worker services
VERSION ?= dev
PLATFORMS ?= linux/$(shell go env GOARCH)
IMAGE_FLAGS = --replay-version $(REPLAY_VERSION) --tag $(VERSION) --platforms $(PLATFORMS) \
	$(if $(REPOSITORY),--repository $(REPOSITORY)) $(if $(PACKAGES),--packages $(PACKAGES)) \
	$(if $(MIRROR),--mirror $(MIRROR)) $(if $(MIRROR_SECURITY),--mirror-security $(MIRROR_SECURITY)) $(if $(SNAPSHOT),--snapshot $(SNAPSHOT))

.PHONY: images
images: replay authorities $(if $(filter worker,$(IMAGES)),mmdebstrap) ## Make the container images as files in build/images (IMAGES='operator portal' VERSION=1.2.3 PLATFORMS=linux/amd64,linux/arm64; minutes, the first time more)
	@mkdir -p bin && cd images && $(GOBUILD) -o ../bin/images ./cmd/images
	@bin/images $(IMAGE_FLAGS) $(IMAGES)

.PHONY: test-images
test-images: images programs runc ## Run the images with runc: Chrome's sandbox under config/seccomp, read-only roots (two minutes after the images; root)
	@cd images && go test -count=1 -timeout 20m ./container

.PHONY: test-images-arm64
test-images-arm64: replay authorities mmdebstrap emulators ## Make the worker's image for arm64 and archive pages in an emulated machine of that kind (a quarter of an hour, the first time; root)
	@[ "$$(id -u)" = 0 ] || { echo "an image is unpacked with its owners: run this as root" >&2; exit 1; }
	@mkdir -p bin && cd images && $(GOBUILD) -o ../bin/images ./cmd/images
	@bin/images $(IMAGE_FLAGS) --platforms linux/arm64 --out build/images-arm64 worker
	@cd images && go test -count=1 -v -timeout 40m ./machine \
		$(if $(MIRROR),-mirror $(MIRROR)) $(if $(MIRROR_SECURITY),-mirror-security $(MIRROR_SECURITY)) $(if $(SNAPSHOT),-snapshot $(SNAPSHOT))

.PHONY: authorities mmdebstrap runc emulators
authorities: ; @hack/need.sh /usr/share/ca-certificates/mozilla ca-certificates
mmdebstrap: ; @hack/need.sh mmdebstrap mmdebstrap && { [ "$$(id -u)" = 0 ] || hack/need.sh newuidmap uidmap; } && hack/need.sh /usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
runc: ; @hack/need.sh runc runc
emulators:
	@[ "$$(go env GOARCH)" = arm64 ] || { hack/need.sh /usr/libexec/qemu-binfmt/aarch64-binfmt-P qemu-user-static && \
		hack/need.sh update-binfmts binfmt-support && hack/need.sh arch-test arch-test; }
	@hack/need.sh qemu-system-aarch64 qemu-system-arm
	@hack/need.sh cpio cpio

.PHONY: tools
tools: bin/golangci-lint-kube-api-linter
bin/golangci-lint-kube-api-linter: tools/go.mod
	@mkdir -p bin && cd tools && $(GOBUILD) -o ../bin/ tool

.PHONY: generate
generate: tools ## Regenerate what is generated: deep copies, CRDs, RBAC, what follows from them in the charts
	@go generate ./...
	@go generate ./charts

.PHONY: lint
lint: LINT = $(CURDIR)/bin/golangci-lint-kube-api-linter run --allow-parallel-runners
lint: tools
	@cd cluster && $(LINT) -c ../.golangci.yml ./...
	@$(LINT) ./...
	@$(LINT) -c .golangci-api.yml ./api/...
	@cd test && $(LINT) -c ../.golangci.yml ./...
	@cd test/alerts && $(LINT) -c ../../.golangci.yml ./...
	@cd devstack && $(LINT) -c ../.golangci.yml ./...
	@cd images && $(LINT) -c ../.golangci.yml ./...
	@bin/workflowcheck ./workflows/...

.PHONY: verify
verify: generate lint ## Check generated files, linters, the Kubernetes API linter, the manifests
	@hack/verify-clean.sh
	@bin/kustomize build config/default >/dev/null
	@bin/kustomize build config/alerts >/dev/null
	@bin/kustomize build config/dashboards >/dev/null
	@bin/helm lint --quiet --strict charts/crawlfleet-crds charts/crawlfleet

.PHONY: test
test: build tools chromiums openssl docs-site ## Run every test: real API server, Temporal, S3 server and Chrome
	@# (No go vet: make lint has it look at the same files, tests among them. It would walk
	@# through Kubernetes and Temporal in each module, for two minutes of a processor.)
	@go test -vet=off -timeout 30m $$(go list ./... | grep -v /workers/browser$$)
	@# (Most of what takes long here waits for something: more of it at a time than there
	@# are processors, and no other package beside.)
	@go test -vet=off -parallel 3 -timeout 30m ./workers/browser
	@$(MAKE) --no-print-directory sim SEEDS=12
	@cd test/alerts && go test -count=1 -vet=off ./...
	@cd cluster && go test -vet=off $$(go list ./... | grep -v /e2e$$)
	@# (No kept results where the binaries of bin/ are what is tested: Go does not see that
	@# they changed.)
	@cd devstack && DEVSTACK=$(CURDIR)/bin/devstack go test -count=1 -vet=off ./...
	@# (The images themselves are made and run by make test-images and test-images-arm64.)
	@cd images && go test -vet=off -timeout 20m $$(go list ./... | grep -v -e /container$$ -e /machine$$)
	@# (One package after the other: two whole stacks at a time on a machine of two
	@# processors take longer than both in turn, and run into each other's times.)
	@# (The fleet in a real Kubernetes is make e2e.)
	@cd test && go test -count=1 -vet=off -p 1 -parallel 3 -timeout 80m $$(go list ./... | grep -v /fleet$$)

# The frontier in a fleet in which everything goes wrong: each seed is a web of 100,000 addresses.
.PHONY: sim
sim: ## Simulate crawls of 100,000 addresses with all faults (SEEDS=200, ten minutes)
	@go test -count=1 -timeout 60m -run '^TestSimulation$$' ./internal/frontier -seeds $(or $(SEEDS),200)

.PHONY: sim-large
sim-large: ## Simulate one crawl of 10^8 addresses with 64 shards and write docs/frontier-simulation.md (SIM_URLS=100000000, hours)
	@go test -count=1 -timeout 0 -v -run '^TestSimulationLarge$$' ./internal/frontier \
		-urls $(or $(SIM_URLS),100000000) -write $(CURDIR)/docs/frontier-simulation.md

.PHONY: test-whole
test-whole: build chromiums docs-site ## Crawl a manual of 500 pages and compare the archive with it (a quarter of an hour)
	@cd test && go test -count=1 -timeout 80m -run TestDocumentationIsArchived ./e2e -whole

.PHONY: chaos
chaos: build chromiums ## Disturb crawls with every fault at every moment, and kill two of four workers again and again (half an hour)
	@cd test && go test -count=1 -timeout 120m -v ./chaos -long
	@cd test && go test -count=1 -timeout 80m -v -run 'TestWorkersKilledAgainAndAgain' ./e2e -long

.PHONY: conformance
conformance: chromiums replay ## Run the conformance suite of the capture, with all engines and recorders, and write docs/conformance.md
	@cd test && go test -count=1 -timeout 60m ./capture -update

.PHONY: bench-capture
bench-capture: build chromium docs-site ## Measure the capture against a bare loop and write docs/benchmarks.md (ROUNDS=5, half an hour)
	@cd test && go test -run '^$$' -bench Capture -benchtime 1x -timeout 2h ./bench -update -rounds $(or $(ROUNDS),5)

.PHONY: bench-crawl
bench-crawl: build chromium ## Measure what a small crawl costs beside crawlctl capture and write docs/small-crawls.md (ROUNDS=5, eight minutes)
	@cd test && go test -run '^$$' -bench Crawl -benchtime 1x -timeout 1h ./bench -update -pages 240 -rounds $(or $(ROUNDS),5)

.PHONY: bench-portal
bench-portal: ## Measure searches of a million captures through the portal and write docs/portal-benchmark.md (CAPTURES=1000000 ROUNDS=100 CATALOG=file BESIDE='what else runs', an hour)
	@go test -count=1 -run '^$$' -bench '^BenchmarkPortal$$' -benchtime 1x -timeout 0 ./portal -update \
		-captures $(or $(CAPTURES),1000000) -rounds $(or $(ROUNDS),100) $(if $(CATALOG),-catalog $(abspath $(CATALOG))) -beside "$$BESIDE"

.PHONY: load
load: build ## Load the fleet with timed stand-ins for browsers and write docs/load.md (MINUTES=10 RATE=150 SHARDS=64, half an hour)
	@cd test && go test -run '^$$' -bench '^BenchmarkLoad$$' -benchtime 1x -v -timeout 2h ./load -update \
		-minutes $(or $(MINUTES),10) -rate $(or $(RATE),150) -shards $(or $(SHARDS),64)

.PHONY: portal-screenshots
portal-screenshots: build chromium node ## Take the pictures of docs/portal.md anew, of a portal over what is crawled for that (two minutes)
	@cd test && CRAWLFLEET_SCREENSHOTS=$(CURDIR)/docs/images/portal go test -count=1 -timeout 10m ./portal

# Real HTML to crawl in the tests: the Python manual.
.PHONY: docs-site
docs-site: ; @hack/need.sh /usr/share/doc/python3/html python3-doc

# A Kubernetes of one node: bin/cluster, and the components in build/cluster, each from
# a module of its own where their dependencies do not agree.
KUBERNETES := kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy
CONTAINERD := containerd containerd-shim-runc-v2 ctr
.PHONY: cluster
cluster: cluster-packages bin/kubectl ## Build bin/cluster, a real Kubernetes of one node (half an hour if it was never built, a minute else)
	@mkdir -p bin build/cluster
	@cd cluster && $(GOBUILD) -o ../bin/ ./cmd/cluster && $(GOBUILD) -o ../build/cluster/ ./cmd/pause ./cmd/netpol-cni ./cmd/coredns ./cmd/peer
	@cd cluster/kubernetes && go build -ldflags '$(KUBE_FLAGS)' -o ../../build/cluster/etcd go.etcd.io/etcd/server/v3
	@cd cluster/kubernetes && for c in $(KUBERNETES); do \
		echo "building $$c"; go build -ldflags '$(KUBE_FLAGS)' -o ../../build/cluster/ k8s.io/kubernetes/cmd/$$c; done
	@cd cluster/containerd && for c in $(CONTAINERD); do \
		echo "building $$c"; $(GOBUILD) -o ../../build/cluster/ github.com/containerd/containerd/v2/cmd/$$c; done
	@# (With cgo, for what it does before Go starts, and for seccomp.)
	@cd cluster/runc && echo 'building runc' && CGO_ENABLED=1 $(GOBUILD) -tags seccomp -o ../../build/cluster/ github.com/opencontainers/runc

.PHONY: cluster-packages
cluster-packages:
	@hack/need.sh gcc gcc
	@hack/need.sh pkg-config pkg-config
	@hack/need.sh /usr/include/seccomp.h libseccomp-dev
	@hack/need.sh /usr/lib/cni/ptp containernetworking-plugins
	@hack/need.sh nft nftables
	@hack/need.sh nsenter util-linux

# What is built is what is tested: no kept results.
.PHONY: e2e
e2e: cluster images programs bin/helm build/neighbour ## Start a real Kubernetes of one node, try on it what crawlfleet needs of one, and a whole fleet in it (root; half an hour, once all is built)
	@hack/need.sh ip iproute2
	@cd cluster && go test -count=1 -timeout 40m ./...
	@rm -rf build/told && mkdir -p build/told
	@cd test && go test -count=1 -timeout 90m ./fleet -record-metrics $(CURDIR)/build/told
	@# (The dashboards show the crawl that was under way then.)
	@cd test/alerts && go test -count=1 -run '^(TestDashboardsShowACrawl|TestNothingFiresForAHealthyFleet)$$' . -told $(CURDIR)/build/told

.PHONY: clean
clean: ## Remove what was built (not what a run stored: that is .run/)
	rm -rf bin build
