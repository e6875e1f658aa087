# All tasks of the project. `make demo` and `make test` need only Python 3.11-3.13 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
PARALLEL := --numprocesses logical --maxprocesses 8 --dist loadscope -o faulthandler_timeout=600 -o faulthandler_exit_on_timeout=true # a test that hangs ends, and says where
QUICK := tests/core tests/masking tests/formats tests/engines tests/cleaning tests/testing tests/test_architecture.py tests/test_examples.py tests/docs/test_results.py
unexport PYTHONDONTWRITEBYTECODE # without compiled modules, each process of the tests rewrites all assertions again
E2E := $(BIN)/python -m pytest -m e2e --capture=no

.PHONY: demo test test-all test-offline durations quick quick-elsewhere clock coverage rest sweeps-ci sweeps-sim e2e-cluster e2e-images e2e-offline screenshots licences wheel wheel-check sbom release audit-lock docs lint format faults faults-ci account account-ci bench bench-adversarial bench-models bench-pickles bench-readers clean help

help:
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

# the extra reads the Delta table of the demo
$(VENV)/.base: pyproject.toml
	@test -x $(BIN)/ray && echo "Preparing $(VENV), which has nearly all packages already." \
		|| echo "Installing veritensor-ray and its dependencies into $(VENV): about 150 packages and 3 GB, which takes 2 to 5 minutes."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[delta]'
	touch $@

$(VENV)/.dev: pyproject.toml
	@test -x $(BIN)/ray && echo "Adding the development tools to $(VENV): about 100 packages." \
		|| echo "Installing veritensor-ray with its development tools into $(VENV): about 250 packages and 3 GB, which takes 2 to 5 minutes."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.base

demo: $(VENV)/.base ## Audit a generated sample corpus with the embedded models, then write a copy of it without the findings.
	$(BIN)/python scripts/make_demo_corpus.py $(DEMO)/corpus
	$(BIN)/veritensor-ray submit $(DEMO)/corpus --output $(DEMO)/audit --allow-partial --fresh
	$(BIN)/veritensor-ray clean $(DEMO)/corpus --to $(DEMO)/clean --fresh
	@echo "The corpus is in $(DEMO)/corpus; the planted findings are listed in $(DEMO)/corpus.expected.json"
	@echo "A report to read and print: $(BIN)/veritensor-ray report $(DEMO)/audit"

test: $(VENV)/.dev ## Run what a change of the code can break, in a network namespace if possible; TESTS=... selects a part.
	bash scripts/isolated $(BIN)/python -m pytest $(PARALLEL) $(TESTS)

test-all: $(VENV)/.dev ## Run all tests: also those of pages, examples, scripts and tools, and audits both on Ray and in processes.
	bash scripts/isolated $(BIN)/python -m pytest $(PARALLEL) --everything $(TESTS)

test-offline: $(VENV)/.dev ## Run all tests, but fail if the network cannot be cut off.
	bash scripts/isolated --require $(BIN)/python -m pytest $(PARALLEL) --everything $(TESTS)

durations: $(VENV)/.dev ## Measure what tests take, in tests/durations.json, by which a parallel run orders its files; TESTS=... renews a part.
	bash scripts/isolated $(BIN)/python -m pytest $(PARALLEL) --everything --durations-to tests/durations.json $(TESTS)

quick: $(VENV)/.dev ## Test readers, engines and formats, without Ray, models or servers.
	$(BIN)/python -m pytest $(PARALLEL) -m "not ray and not slow" $(QUICK)

quick-elsewhere: $(VENV)/.dev ## Run the quick tests on another Python of this machine, if it has one, without PyTorch and Ray.
	bash scripts/quick_elsewhere $(BIN)/python $(PARALLEL) -m "not ray and not slow" $(QUICK)

clock: $(VENV)/.dev ## Check limits on processor time, one test at a time.
	$(BIN)/python -m pytest -m clock

coverage: $(VENV)/.dev ## Measure the branch coverage of the quick tests and fail if it is too low; QUICK=tests runs more tests.
	bash scripts/isolated $(BIN)/python -m pytest $(PARALLEL) -m "not ray and not slow" --cov --cov-report= $(QUICK)
	$(BIN)/python -m coverage report

rest: $(VENV)/.dev ## Run the tests that `make coverage` leaves out; together they are the whole suite.
	bash scripts/isolated $(BIN)/python -m pytest $(PARALLEL) --everything $(QUICK:%=--ignore=%)
	bash scripts/isolated $(BIN)/python -m pytest $(PARALLEL) --everything -m "ray or slow" $(QUICK)

lint: $(VENV)/.dev ## Check format, lint, types, import contracts, spelling, wording and licences; report all that failed.
	bash scripts/lint $(BIN)

format: $(VENV)/.dev ## Format the code and fix what can be fixed automatically.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev ## Build the documentation site in build/site. Open index.html; it needs no server.
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "The site is in build/site/index.html"

screenshots: $(VENV)/.dev demo ## Write the pictures in docs/assets from the demo and two sweeps of it; needs Chromium.
	for night in 1 2; do $(BIN)/veritensor-ray submit $(DEMO)/corpus --job sweep --output $(DEMO)/state --allow-partial; done
	$(BIN)/python -m pytest -q tests/exports/report/test_pictures.py tests/view/test_page.py::test_pictures --screenshots docs/assets --audit $(DEMO)/audit --state $(DEMO)/state

licences: $(VENV)/.dev ## List every package that an installation includes, with its licence.
	$(BIN)/python -m tools.licences --list

faults-ci: $(VENV)/.dev ## Kill drivers, workers and actors 10 times and compare the results.
	$(E2E) tests/e2e/test_faults.py --kills 10 --artifacts 300

faults: $(VENV)/.dev ## Do the same 51 times, with more artifacts.
	$(E2E) tests/e2e/test_faults.py --kills 51 --artifacts 600

sweeps-ci: $(VENV)/.dev ## Simulate five sweeps and compare each with a fresh audit.
	$(E2E) tests/e2e/test_sweeps.py --nights 5 --seed 3
	$(E2E) tests/e2e/test_table_sweeps.py

sweeps-sim: $(VENV)/.dev ## Do the same for 30 sweeps with edits, moves, rules, policies and crashes.
	$(E2E) tests/e2e/test_sweeps.py --nights 30

e2e-cluster: $(VENV)/.dev ## Audit on hosts in network namespaces, with simulated power cuts and unplugged cables; needs root.
	$(E2E) tests/e2e/test_cluster.py

e2e-images: $(VENV)/.dev ## Build the container images with buildah, run them without a network, transfer them; needs root, apt and 20 GB.
	$(E2E) tests/e2e/test_images.py

e2e-offline: $(VENV)/.dev ## Trace a whole audit with strace to show that it contacts only loopback; evidence in build/.
	$(E2E) tests/e2e/test_offline.py --evidence build/offline.json

wheel: $(VENV)/.dev ## Build the wheel of the last commit in dist/.
	rm -f dist/veritensor_ray-*.whl
	$(BIN)/python -m tools.reproducible_wheel --output dist

wheel-check: $(VENV)/.dev ## Build the wheel twice, with a different folder, umask and time, and compare the bytes.
	$(BIN)/python -m tools.reproducible_wheel --check

sbom: wheel ## Write bills of materials for the wheel with each lock to dist/.
	set -e; for lock in head worker-cpu worker-gpu; do \
		SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m tools.sbom --lock requirements/$$lock.txt \
			--wheel dist/veritensor_ray-*.whl --output dist/sbom.$$lock.json; done

# What has to pass before anything is built for a release.
RELEASE_CHECKS ?= lint test-all quick-elsewhere clock coverage faults-ci sweeps-ci wheel-check
release: $(VENV)/.dev ## Check everything, then build and sign a release in dist/; SIGN_KEY=FILE is an ed25519 key (veritensor-ray keys new).
	@test -r "$(SIGN_KEY)" || { echo "release: give the signing key: make release SIGN_KEY=FILE" >&2; exit 2; }
	$(BIN)/python -m tools.release
	$(MAKE) $(RELEASE_CHECKS)
	rm -rf dist
	$(MAKE) sbom
	bash deploy/sign_transfer.sh dist "$(SIGN_KEY)"
	@echo "dist/ is signed. What remains is to tag the commit and build the container images (deploy/build_images.sh):"
	@$(BIN)/python -m tools.release --names

audit-lock: $(VENV)/.dev ## Check the locks against advisories; ADVISORIES=all.zip, as OSV publishes it for PyPI.
	$(BIN)/python -m tools.audit_lock "$(ADVISORIES)"

bench: $(VENV)/.dev ## Measure and write bench/*.json, docs/performance.md and docs/speed.md; BEFORE=REV and PEER=veritensor add comparisons.
	$(BIN)/python -m bench
	$(BIN)/python -m bench.speed $(if $(BEFORE),--before $(BEFORE)) $(if $(PEER),--peer $(PEER))

bench-adversarial: $(VENV)/.dev ## Measure texts that are made to be slow; write bench/adversarial.json and docs/adversarial.md.
	$(BIN)/python -m bench.adversarial

account: $(VENV)/.dev ## Hide a value at every place of small files of all formats and count where nobody says anything; write docs/account.md.
	$(BIN)/python -m bench.account --quick > /dev/null
	$(BIN)/python -m bench.account

account-ci: $(VENV)/.dev ## Try a place or two of each kind, and fail if a format hides more than it did.
	$(BIN)/python -m bench.account --quick --check

bench-pickles: $(VENV)/.dev ## Compare the walk through pickles with Python's unpicklers, which resolve and call nothing real; RUNS=10000 SEED=0.
	$(BIN)/python -m bench.pickles --runs $(or $(RUNS),10000) --seed $(or $(SEED),0)

bench-readers: $(VENV)/.dev ## Measure readers against plain libraries; write bench/readers.json and docs/readers-performance.md.
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python -m bench.readers

bench-models: $(VENV)/.dev ## Measure the models; write bench/models.json, docs/models.md and lines of the README.
	$(BIN)/python -m pip install --quiet --editable '.[bench,train]'
	$(BIN)/python -m bench.models

clean: ## Remove the files that builds and runs leave behind.
	rm -rf $(DEMO) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
