# Everything installs what it needs into this folder: a machine needs Python 3.10 or newer, Rust
# (rustup's default profile) and make. `make help` lists the targets.

PYTHON   ?= python3
VERSIONS := 3.10 3.11 3.12 3.13
BIND     ?= 127.0.0.1:8000
# Tests mostly wait for processes: more of them at once than there are processors.
JOBS     ?= 4
# Worker classes that the black-box tests run over besides sync, asgi with the name of its loop.
CLASSES  ?= gthread gevent asgi-asyncio asgi-uvloop
# Of these tests where Python is not the primary one: what differs between Pythons shows in them.
brief    := $(addprefix tests/test_,application_faults.py asgi_http.py frameworks.py \
              process_signals.py streaming.py wsgi_environ.py wsgi_input.py wsgi_responses.py)

primary  := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
tools    := .venvs/tools
wheels   := .venvs/wheels
sources  := Cargo.toml pyproject.toml README.md \
            $(shell find crates python -type f ! -name '*.pyc' ! -name '*.so' ! -path '*/tests/*')

# The extension takes its symbols from the interpreter that loads it, also under plain cargo.
export PYO3_BUILD_EXTENSION_MODULE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
# All wheels come out of one cargo target directory, one after the other.
.NOTPARALLEL:
.SECONDARY:

##@ Use
.PHONY: build run wheel
build: .venv/.installed ## Optimised build, installed into .venv (the command: .venv/bin/oxicorn)

run: build ## Serve examples/hello on http://127.0.0.1:8000/ until Ctrl-C (BIND=host:port)
	@exec .venv/bin/oxicorn --chdir examples/hello --bind $(BIND) hello:app

wheel: $(wheels)/$(primary)/.built ## Wheel for $(PYTHON), in dist/
	@mkdir -p dist && cp $(wheels)/$(primary)/*.whl dist/ && ls dist/*.whl

# A line of a recipe: the tests of one Python over one worker class.
define over
@echo "Over $(2):"
OXICORN_TEST_WORKER=$(firstword $(subst -, ,$(2))) OXICORN_TEST_LOOP=$(or $(word 2,$(subst -, ,$(2))),auto) \
  .venvs/$(1)/bin/python -m pytest -n $(JOBS) $(if $(filter $(primary),$(1)),,$(brief))

endef

##@ Check
.PHONY: test test-rust test-python lint format fuzz bench scenes deps-nginx
test: test-rust test-python ## All tests: the crates, then the command on every Python 3.10-3.13 found

test-rust: ## Tests of the crates
	PYO3_PYTHON=$$(scripts/find-python $(primary) $(PYTHON)) cargo test --workspace

test-python: deps-nginx ## Black-box tests on every Python found (one: make test-python-3.12)
	@scripts/test-all-pythons $(primary) $(VERSIONS)

test-python-%: .venvs/%/.installed
	.venvs/$*/bin/python -m pytest -n $(JOBS) $(PYTEST_ARGS)
	$(foreach class,$(if $(PYTEST_ARGS),,$(CLASSES)),$(call over,$*,$(class)))

lint: $(tools)/.installed ## Formatting, clippy, ruff, mypy
	cargo fmt --all --check
	PYO3_PYTHON=$$(scripts/find-python $(primary) $(PYTHON)) cargo clippy --workspace --all-targets --locked -- -D warnings
	$(tools)/bin/ruff check
	$(tools)/bin/ruff format --check
	$(tools)/bin/mypy

format: $(tools)/.installed ## Format all sources
	cargo fmt --all
	$(tools)/bin/ruff check --fix-only --quiet
	$(tools)/bin/ruff format

fuzz: ## Fuzz the HTTP engine
	fuzz/run.sh

bench: build ## Compare with other servers, in one run on this machine
	.venv/bin/python bench/run.py $(BENCH_ARGS)

scenes: build ## Compare what users notice of reloads, crashes, overload
	.venv/bin/python bench/scenes.py $(SCENES_ARGS)

deps-nginx: ## Install nginx for the tests behind a proxy, where that is possible
	@scripts/install-nginx

##@ Other
.PHONY: clean help
clean: ## Remove all that was built or installed here
	rm -rf target dist .venv .venvs .pytest_cache .ruff_cache
	find python tests examples -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# One wheel for each Python version; .venv and .venvs/VERSION install from it.
$(wheels)/%/.built: $(sources) | $(tools)/.installed
	@mkdir -p $(@D) && rm -f $(@D)/*.whl
	$(tools)/bin/maturin build --release --interpreter $$(scripts/find-python $* $(PYTHON)) --out $(@D)
	@touch $@

.venv/.installed: $(wheels)/$(primary)/.built
	@scripts/make-venv $(@D) $(primary) $(PYTHON)
	$(@D)/bin/pip install --quiet --force-reinstall --no-deps $(wheels)/$(primary)/*.whl
	@touch $@

# Not a rule for .venvs/tools: that one has its own below.
.venvs/3.%/.installed: $(wheels)/3.%/.built tests/requirements.txt tests/requirements-alone.txt
	@scripts/make-venv $(@D) 3.$* $(PYTHON)
	$(@D)/bin/pip install --quiet -r tests/requirements.txt
	$(@D)/bin/pip install --quiet --no-deps -r tests/requirements-alone.txt
	$(@D)/bin/pip install --quiet --force-reinstall --no-deps $(wheels)/3.$*/*.whl
	@touch $@

$(tools)/.installed: scripts/requirements.txt
	@scripts/make-venv $(@D) $(primary) $(PYTHON)
	$(@D)/bin/pip install --quiet -r $<
	@touch $@
