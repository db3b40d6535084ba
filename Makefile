# make demo: set everything up and build the 30 demo clips to a report
# make test: set everything up, then lint, types, the demo build and the tests
# make site: build the documentation into site/
# make lock: renew requirements.lock after a change of pyproject.toml

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
TEST_PROCESSES ?= 2

.PHONY: demo test lint setup lock docs site wheel clean

demo: $(READY)
	$(BIN)/chsims-build --config config/demo.yaml

test: $(READY)
	$(MAKE) --jobs=2 lint demo
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: $(READY)

# hashes of every package are checked; the package itself is installed in place; compiled on all
# cores, and also where PYTHONDONTWRITEBYTECODE would have each process compile torch again
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' || \
	  { echo "Python 3.11 is needed; found $$($(PYTHON) --version). Give another: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	-$(BIN)/python -m compileall -q -j 0 -x '/tests?/|py312' .venv/lib pipeline
	touch $(READY)

# config/config.yaml and docs/configuration.md are made from the settings
docs: $(READY)
	$(BIN)/python -m pipeline.commands.config_reference

# the documentation site, offline: site/index.html; a broken link is an error
site: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# wheel and sdist, in dist/
wheel: $(READY)
	$(BIN)/python -m build --no-isolation --outdir dist .

lock:
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --extra dev pyproject.toml --output-file requirements.lock

clean:
	rm -rf processed/demo .snakemake
