# Everything is installed into virtual environments inside this checkout; nothing here needs root, except that
# `make test` and `make bench` install Debian packages that are missing.
# The distribution's own Python, if it will do: it is built with profile-guided optimization, which a Python compiled
# by hand often is not, and which is worth a sixth of the broker's time in Python.
PYTHON ?= $(shell /usr/bin/python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
            && echo /usr/bin/python3 || echo python3)
BIN := .venv/bin
JAVASCRIPT := tests/interop/javascript
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo run test test-api test-interop test-rest test-compiled check compiled bench fuzz docs clean

demo: .venv/.demo
	$(BIN)/sekisho demo

run: .venv/.run
	$(BIN)/sekisho up

test: .venv/.test .venv-awscli/.done $(JAVASCRIPT)/node_modules/.done
	sh scripts/debian-packages.sh postgresql mosquitto mosquitto-clients openssl softhsm2
	$(MAKE) --no-print-directory -j3 test-api test-interop test-rest
	$(MAKE) --no-print-directory test-compiled

# Three parts at once, each of which waits for its nodes half of the time. What all tests of the API together must have
# seen is judged at the end of theirs.
PYTEST := $(BIN)/python -m pytest -q -p no:cacheprovider

test-api:
	$(PYTEST) tests/api tests/test_error_shapes.py

test-interop:
	$(PYTEST) tests/interop

test-rest:
	$(PYTEST) --ignore=tests/api --ignore=tests/interop --ignore=tests/test_error_shapes.py

# What is compiled behaves as what is not: the units themselves, and other people's clients.
test-compiled: .venv-compiled/.done $(JAVASCRIPT)/node_modules/.done
	.venv-compiled/bin/python -m pytest -q -p no:cacheprovider tests/unit/mqtt tests/unit/broker tests/unit/logic \
	  tests/fuzz tests/interop/test_conformance.py tests/interop/test_normative*.py tests/interop/test_clients.py \
	  tests/interop/test_exactly_once.py tests/interop/test_exactly_once_deliveries.py tests/interop/test_extended.py \
	  tests/interop/test_will_delay.py tests/interop/test_limits.py tests/interop/test_websocket.py \
	  tests/interop/test_policies_*.py tests/interop/test_session*.py tests/interop/test_shared.py \
	  tests/interop/test_first_connect*.py tests/interop/test_endpoints.py tests/interop/test_custom_auth.py \
	  tests/interop/test_custom_auth_http.py tests/interop/test_custom_auth_times.py

check: .venv/.check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/unit/test_architecture.py

bench: .venv-compiled/.done .venv-moto/.done
	sh scripts/debian-packages.sh mosquitto gcc libc6-dev libssl-dev android-libboringssl-dev
	.venv-compiled/bin/python bench/run.py
	.venv-compiled/bin/python bench/registering.py --moto .venv-moto/bin/moto_server
	.venv-compiled/bin/python bench/registering.py --operation CreateThing --moto .venv-moto/bin/moto_server
	.venv-compiled/bin/python bench/connecting.py
	.venv-compiled/bin/python bench/fleet.py
	.venv-compiled/bin/python bench/fleet.py --keys --devices 100
	.venv-compiled/bin/python bench/bulk.py
	PYTHONPATH=src $(BIN)/python bench/policies.py
	.venv-compiled/bin/python bench/policies.py
	.venv-compiled/bin/python bench/registry.py --things 1000000 --moto .venv-moto/bin/moto_server

FUZZ_SECONDS ?= 600

fuzz: .venv-fuzz/.done
	PYTHONPATH=tests .venv-fuzz/bin/python -m fuzz --seconds $(FUZZ_SECONDS) $(TARGETS)

docs: .venv/.run
	$(BIN)/sekisho operations > docs/operations.md
	{ sed '/^| setting/,$$d' docs/settings.md; $(BIN)/sekisho settings; } > docs/settings.new
	mv docs/settings.new docs/settings.md

clean:
	rm -rf .venv .venv-awscli .venv-compiled .venv-fuzz .venv-moto .sekisho bench/bin $(JAVASCRIPT)/node_modules

# --- virtual environments; each stamp says which extras are in -------------------------------------------------

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Sekisho needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) has no venv module. On Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.run: .venv/bin/python pyproject.toml
	$(PIP) -e .
	@touch $@

.venv/.demo: .venv/bin/python pyproject.toml
	$(PIP) -e '.[demo]'
	@touch $@ .venv/.run

.venv/.check: .venv/bin/python pyproject.toml
	$(PIP) -e '.[check]'
	@touch $@ .venv/.run

.venv/.test: .venv/bin/python pyproject.toml
	$(PIP) -e '.[demo,test]'
	@touch $@ .venv/.run .venv/.demo

# The AWS CLI pins its botocore, so it gets an environment of its own, as a user would give it.
.venv-awscli/.done:
	$(PYTHON) -m venv .venv-awscli
	.venv-awscli/bin/python -m pip install --quiet --disable-pip-version-check awscli
	@touch $@

$(JAVASCRIPT)/node_modules/.done: $(JAVASCRIPT)/package.json
	sh scripts/javascript-packages.sh
	@touch $@

# The same source with its hot path translated to C by mypyc. From an sdist: mypyc leaves what it makes beside the
# source that it is given, where it would hide what is edited later.
COMPILED_PIP := .venv-compiled/bin/python -m pip --quiet --disable-pip-version-check
COMPILED := $(shell find src -name '*.py' 2>/dev/null)

compiled: .venv-compiled/.done

.venv-compiled/.done: .venv/.test $(COMPILED)
	sh scripts/debian-packages.sh gcc libc6-dev python3-dev
	test -x .venv-compiled/bin/python || $(PYTHON) -m venv .venv-compiled
	rm -rf .venv-compiled/dist
	$(BIN)/python -m hatchling build -t sdist -d .venv-compiled/dist >/dev/null 2>&1
	$(COMPILED_PIP) install "$$(ls .venv-compiled/dist/*.tar.gz)[demo,test]" hatchling hatch-mypyc mypy
	mkdir .venv-compiled/dist/source
	tar xzf .venv-compiled/dist/*.tar.gz -C .venv-compiled/dist/source --strip-components=1
	cd .venv-compiled/dist/source && HATCH_BUILD_HOOKS_ENABLE=1 ../../bin/python -m hatchling build -t wheel -d ..
	$(COMPILED_PIP) install --force-reinstall --no-deps .venv-compiled/dist/*.whl
	@touch $@

# Beside what registers certificates here, in an environment of its own.
.venv-moto/.done:
	$(PYTHON) -m venv .venv-moto
	.venv-moto/bin/python -m pip install --quiet --disable-pip-version-check 'moto[server,iot]'
	@touch $@

# atheris is for CPython 3.11 to 3.13 on Linux; nothing but `make fuzz` needs it.
.venv-fuzz/.done: pyproject.toml
	$(PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/python -m pip install --quiet --disable-pip-version-check -e . atheris pytest
	@touch $@
