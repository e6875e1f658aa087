# Every task of the project. `make demo` and `make test` need nothing but Python 3.11-3.13 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
PARALLEL := --numprocesses logical --maxprocesses 8 --dist loadscope
QUICK := tests/engines tests/extract tests/formats tests/secret_kinds tests/test_architecture.py tests/test_segments.py tests/test_testing.py \
	tests/test_bounds.py tests/test_examples.py tests/test_media_types.py tests/docs/test_results.py
E2E := $(BIN)/python -m pytest -m e2e --capture=no

.PHONY: demo test test-offline quick clock coverage sweeps-ci sweeps-sim e2e-cluster e2e-images e2e-offline licences wheel wheel-check sbom audit-lock docs lint faults faults-ci bench bench-adversarial bench-models bench-readers clean help

help:
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(VENV)/.base: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.base

demo: $(VENV)/.base ## audit a generated sample corpus with the embedded models
	$(BIN)/python scripts/make_demo_corpus.py $(DEMO)/corpus
	$(BIN)/veritensor-ray submit $(DEMO)/corpus --output $(DEMO)/audit --allow-partial --fresh
	@echo "The corpus is in $(DEMO)/corpus, what was planted in $(DEMO)/corpus.expected.json"

test: $(VENV)/.dev ## the default suite, in a network namespace where one can be had; TESTS=... for a part
	bash scripts/isolated $(BIN)/python -m pytest $(PARALLEL) $(TESTS)

test-offline: $(VENV)/.dev ## the same, and fails where the network cannot be cut off
	bash scripts/isolated --require $(BIN)/python -m pytest $(PARALLEL) $(TESTS)

quick: $(VENV)/.dev ## readers, engines and formats in a minute, without Ray, models and servers
	$(BIN)/python -m pytest $(PARALLEL) -m "not ray and not slow" $(QUICK)

clock: $(VENV)/.dev ## the bounds of the processor's time, one test after the other
	$(BIN)/python -m pytest -m clock

coverage: $(VENV)/.dev ## branches that the quick tests take, and fails below the floor; QUICK=tests for more of them
	$(BIN)/python -m pytest $(PARALLEL) -m "not ray and not slow" --cov --cov-report= $(QUICK)
	$(BIN)/python -m coverage report

lint: $(VENV)/.dev ## format, lint, types, import contracts, licences
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tools.licences

docs: $(VENV)/.dev ## the documentation as a site, in build/site; open index.html, no server is needed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "The site is in build/site/index.html"

licences: $(VENV)/.dev ## every package that an installation brings, with its licence
	$(BIN)/python -m tools.licences --list

faults-ci: $(VENV)/.dev ## kill drivers, workers and actors 10 times and compare
	$(E2E) tests/e2e/test_faults.py --kills 10 --artifacts 300

faults: $(VENV)/.dev ## the same, 51 times, over more artifacts
	$(E2E) tests/e2e/test_faults.py --kills 51 --artifacts 600

sweeps-ci: $(VENV)/.dev ## five simulated nights, each equal to a fresh audit
	$(E2E) tests/e2e/test_sweeps.py --nights 5 --seed 3

sweeps-sim: $(VENV)/.dev ## the same for 30 nights; edits, moves, rules, policies and crashes
	$(E2E) tests/e2e/test_sweeps.py --nights 30

e2e-cluster: $(VENV)/.dev ## an audit on hosts in network namespaces, through power cuts and pulled cables; needs root
	$(E2E) tests/e2e/test_cluster.py

e2e-images: $(VENV)/.dev ## build the images with buildah, run them without a network, carry them; needs root, apt and 20 GB
	$(E2E) tests/e2e/test_images.py

e2e-offline: $(VENV)/.dev ## strace over a whole audit: nothing outside loopback is tried; evidence in build/
	$(E2E) tests/e2e/test_offline.py --evidence build/offline.json

wheel: $(VENV)/.dev ## the wheel of the last commit, in dist/
	rm -f dist/veritensor_ray-*.whl
	$(BIN)/python -m tools.reproducible_wheel --output dist

wheel-check: $(VENV)/.dev ## build it twice, in other folders, with another umask and time, and compare the bytes
	$(BIN)/python -m tools.reproducible_wheel --check

sbom: wheel ## bills of materials of the wheel with each lock, in dist/
	set -e; for lock in head worker-cpu worker-gpu; do \
		SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m tools.sbom --lock requirements/$$lock.txt \
			--wheel dist/veritensor_ray-*.whl --output dist/sbom.$$lock.json; done

audit-lock: $(VENV)/.dev ## the locks against advisories; ADVISORIES=all.zip, as OSV publishes it for PyPI
	$(BIN)/python -m tools.audit_lock "$(ADVISORIES)"

bench: $(VENV)/.dev ## measure; writes bench/*.json, docs/performance.md and docs/speed.md; BEFORE=REV and PEER=veritensor beside it
	$(BIN)/python -m bench
	$(BIN)/python -m bench.speed $(if $(BEFORE),--before $(BEFORE)) $(if $(PEER),--peer $(PEER))

bench-adversarial: $(VENV)/.dev ## measure texts that are made to be slow; writes bench/adversarial.json and docs/adversarial.md
	$(BIN)/python -m bench.adversarial

bench-readers: $(VENV)/.dev ## measure readers beside plain libraries; writes bench/readers.json and docs/readers-performance.md
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python -m bench.readers

bench-models: $(VENV)/.dev ## measure the models; writes bench/models.json, docs/models.md and lines of the README
	$(BIN)/python -m pip install --quiet --editable '.[bench,train]'
	$(BIN)/python -m bench.models

clean: ## remove what builds and runs left behind
	rm -rf $(DEMO) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
