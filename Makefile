# Everything from a fresh clone: needs Python 3.11 or newer, and pip and npm with their registries.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
LISTEN ?= 127.0.0.1:6432
ARGS ?=
JOBS ?= 4
unexport PYTHONDONTWRITEBYTECODE  # where it is set, each of hundreds of processes would compile all of our source again

.DEFAULT_GOAL := help
.PHONY: help demo serve psql test lint format conformance sql-oracle sqlglot-versions same-schema security truth same-transactions same-pairs same-actions cuts bench throughput soak wheel compiled package docs operating transparency faults fuzz clean

help:            ## what there is
	@sed -n 's/^\([a-z-]*\): *[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

$(READY): pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, and \"$(PYTHON)\" is not: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "Once, for a minute: Interlock and what its tests need go into $(VENV)."
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

serve: $(READY) ## run Interlock, before INTERLOCK_UPSTREAM or a Postgres 18 of its own
	@if [ -n "$$INTERLOCK_UPSTREAM" ]; then \
	  echo "Give your migration tool the URL of INTERLOCK_UPSTREAM with $(LISTEN) as its host and port."; \
	  exec $(BIN)/interlock serve --listen $(LISTEN) $(ARGS); \
	else \
	  echo "Give your migration tool this URL:  postgresql://postgres@$(LISTEN)/postgres"; \
	  echo "Or try it from another terminal:    make psql"; \
	  echo "    CREATE TABLE orders (id bigint PRIMARY KEY, email text);"; \
	  echo "    INSERT INTO orders SELECT i, i || '@example.com' FROM generate_series(1, 1000000) i;"; \
	  echo "    CREATE INDEX orders_email_idx ON orders (email);"; \
	  exec $(BIN)/interlock serve --listen $(LISTEN) --embedded .interlock/postgres $(ARGS); \
	fi

demo: $(READY)  ## what it does, in two minutes, on a Postgres of its own
	@exec $(BIN)/interlock demo $(ARGS)

psql: $(READY)  ## psql through the Interlock that make serve runs
	@exec "$$($(BIN)/python -c 'from tests.binaries import client; print(client("psql"))')" \
	  "postgresql://postgres@$(LISTEN)/postgres" $(ARGS)

test: $(READY)  ## all tests, against Postgres 13 and 18 (ARGS="--all-pg", "--pg 16", "-k lexer")
	$(BIN)/python -m pytest --numprocesses $(JOBS) $(ARGS)

lint: $(READY)  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy proxy bench tests/binaries.py tests/servers.py tests/proxies.py tests/conftest.py

format: $(READY) ## write what make lint asks for
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

conformance: $(READY) ## our reading of SQL against Postgres's own parser; migration tools directly and through Interlock
	$(BIN)/python -m pip install --quiet --editable '.[dev,conformance]'
	$(BIN)/python -m pytest -m "conformance or not conformance" tests/unit/sql/test_against_pglast.py tests/tools $(ARGS)

sql-oracle: $(READY) ## our reading of SQL at length: whole corpus, mutants, fuzzed texts (N=1000000 of each, or MINUTES=10)
	$(BIN)/python -m tests.oracle $(if $(N),--number $(N)) $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

sqlglot-versions: $(READY) ## what touches sqlglot, with the oldest and newest that we allow, plain and compiled
	$(BIN)/python -m tests.sqlglot_versions $(ARGS)

security: $(READY) ## TLS, logins, channel binding, who may connect, attempts to get around, the guard, passwords: all of it
	$(BIN)/python -m pytest --full --numprocesses $(JOBS) tests/live/test_front.py tests/live/test_upstream_tls.py tests/live/test_binding.py \
	  tests/live/test_terminated.py tests/live/test_access.py tests/live/test_no_way_around.py tests/live/test_guard.py tests/live/test_secrets.py $(ARGS)

same-schema: $(READY) ## every rewrite, on Postgres 13 to 18: the author's schema, nothing under a lock, interrupted at every point
	$(BIN)/python -m pytest --full --all-pg --numprocesses $(JOBS) tests/live/test_plans.py tests/live/test_faults.py tests/live/test_undo.py \
	  tests/live/test_new_types.py tests/live/test_gently.py tests/live/test_parts.py tests/live/test_part_faults.py \
	  tests/live/test_many_rows.py tests/live/test_hints.py tests/live/test_dependents.py \
	  tests/live/test_rewrites.py tests/live/test_batches.py tests/live/test_taking.py tests/live/test_done_twice.py $(ARGS)

truth: $(READY) ## predicted locks and work against what Postgres 13 to 18 report
	$(BIN)/python -m tests.truth $(ARGS)
	INTERLOCK_TRUTH_EXAMPLES=400 $(BIN)/python -m pytest tests/truth --full --timeout 1200 --all-pg

same-transactions: $(READY) ## random transactions, direct and through Interlock (N=5000 on each of 13 and 18), a tenth of them on tables in use
	INTERLOCK_SAME_EXAMPLES=$(or $(N),1000) $(BIN)/python -m pytest tests/live/test_same_transactions.py tests/live/test_same_when_busy.py -s $(ARGS)

same-pairs: $(READY) ## what is put off in a transaction, with whatever may come before or behind it: 13 and 18, for hours
	INTERLOCK_SAME_PAIRS=all $(BIN)/python -m pytest tests/live/test_same_pairs.py tests/live/test_left_pairs.py -s $(ARGS)

same-actions: $(READY) ## every two actions in one ALTER TABLE, in a transaction and by itself: 13 and 18
	$(BIN)/python -m pytest --full --numprocesses $(JOBS) tests/live/test_action_pairs.py $(ARGS)

cuts: $(READY)   ## a migration in a transaction is cut at every message, or at N of each form; and what is there then
	INTERLOCK_CUTS=$(or $(N),all) $(BIN)/python -m pytest tests/live/test_cut_transactions.py $(ARGS)

bench: $(READY) ## who is held up by a migration; then throughput beside pgbouncer (ROUNDS=5 SECONDS=5 ROWS=2000000)
	$(BIN)/python -m bench.blocking $(ARGS)
	$(MAKE) throughput

throughput: $(READY)  ## direct, through pgbouncer and through Interlock in turn (ROUNDS=5 SECONDS=5 ROWS=2000000 CONNECTIONS=10000 STATE=file to go on with)
	$(BIN)/python -m bench.throughput $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS)) \
	  $(if $(ROWS),--rows $(ROWS)) $(if $(CONNECTIONS),--connections $(CONNECTIONS)) $(if $(STATE),--state $(STATE)) $(ARGS)

transparency: $(READY) ## drivers' and Postgres's own test suites, directly and through Interlock (ARGS="--pg 18 asyncpg")
	$(BIN)/python -m tests.transparency $(ARGS)
	$(BIN)/python -m pytest --full --numprocesses $(JOBS) tests/live/test_wire_traps.py tests/live/test_transparency.py

faults: $(READY) ## servers, networks, disks and peers on their worst day; 1,000 connections
	$(BIN)/python -m pytest --full -m "conformance or not conformance" -s --timeout 300 tests/faults tests/live/test_workers.py $(ARGS)

soak: $(READY)   ## mixed load for 20 minutes (MINUTES=5), and what was lost, altered or left behind
	$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),20) $(ARGS)

fuzz: $(READY)   ## any bytes for the wire codec and for SQL, a minute each (MINUTES=10), by coverage where atheris installs
	-@$(BIN)/python -m pip install --quiet atheris 2>/dev/null
	$(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),1) $(ARGS)

wheel: $(READY) ## dist/: a wheel and a source archive, with the policies and the rules' pages
	$(BIN)/python -m build --outdir dist . >/dev/null
	@ls dist/*.whl dist/*.tar.gz

operating: $(READY) ## console, metrics, status page, report, doctor, demo, deployment files, what the docs show, on all versions
	$(BIN)/python -m pytest --full --all-pg --numprocesses $(JOBS) tests/live/test_console.py tests/live/test_admin_http.py \
	  tests/live/test_page.py tests/live/test_progress.py tests/live/test_operating.py tests/live/test_looking_back.py tests/live/test_deployment.py \
	  tests/live/test_by_hand.py tests/live/test_documented.py $(ARGS)

package: $(READY) ## what is published, in an empty environment: a wheel and a source archive
	$(BIN)/python -m pytest -m package tests/test_package.py $(ARGS)

docs: $(READY)  ## site/: the documentation as a site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

compiled: $(READY) ## dist/*.whl for this machine with proxy/wire compiled (needs a C compiler), and its tests
	rm -rf build/compiled && mkdir -p build/compiled
	git ls-files -z --cached --others --exclude-standard | tar c --null --files-from - | tar x -C build/compiled
	cd build/compiled && HATCH_BUILD_HOOK_ENABLE_MYPYC=1 ../../$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir ../../dist .
	cd build/compiled && ../../$(BIN)/python -m pytest tests/unit/wire tests/wire tests/live/test_wire_traps.py $(ARGS)

clean:           ## remove what make made (the embedded Postgres's data stays: rm -r .interlock)
	rm -rf $(VENV) dist build site .mypy_cache .ruff_cache .pytest_cache .hypothesis
