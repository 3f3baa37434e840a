# Every task a person types. `make help` lists them; each fetches and builds first what it needs.

PY := python3
TOOLS := integration/toolchain
GET := $(PY) $(TOOLS)/get.py
BUILD := $(PY) $(TOOLS)/build.py
# Built first and then run by itself, so that a signal reaches the launcher and nobody else.
TARGET := $(or $(CARGO_TARGET_DIR),target)

# What `make run`, `make demo` and `make bench` take; README has their meaning and defaults.
# SUITE=name runs one suite of `make test`. Only what is set is handed on: an empty value would not be the default.
VARIABLES := HOST LISTEN ADMIN UPSTREAM SUMDB UPSTREAM_CA CLUSTERS WORKERS ARCHIVES REDIS_HTTP REDIS_TOKEN \
	REDIS_SIGNING_KEY EVENTS EVENTS_HTTP TLS CONFIG NGINX_WASM SUITE FUZZ_SECONDS
$(foreach name,$(VARIABLES),$(if $(value $(name)),$(eval export $(name))))

.PHONY: build test demo run integration bench image lint clean distclean help
.DEFAULT_GOAL := build

build: ## dist/goproxy_filter.wasm, the plugin
	@$(BUILD) filter

run: ## a gateway in the foreground, on http://127.0.0.1:8080 unless LISTEN says otherwise
	@$(GET) envoy $(if $(ARCHIVES),nginx)
	@$(BUILD) filter launcher
	@exec $(TARGET)/debug/goproxy-launch run

demo: ## the real go command builds a program through Envoy and the filter, cold and then warm
	@$(GET) envoy go redis webdis
	@$(BUILD) filter origin launcher
	@exec $(TARGET)/debug/goproxy-launch demo

bench: ## the benchmarks; ratios as a table and in target/bench/report.json
	@$(GET) envoy go wrk redis webdis nginx
	@$(BUILD) filter noop origin launcher-release
	@exec $(TARGET)/release/goproxy-launch bench

test: ## every test that needs no container (SUITE=name for one suite)
	@exec $(PY) integration/run-tests.py

lint: ## formatting, clippy, licences, Go, Python and shell
	@exec $(PY) integration/lint.py

integration: ## the tests on docker-based hosts
	@echo "make integration: not built yet" >&2; exit 2

image: ## the container image of the plugin
	@echo "make image: not built yet" >&2; exit 2

clean: ## removes what was built, keeps the tools
	rm -rf target dist

distclean: clean ## removes the tools too
	rm -rf .toolchain

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22
