# Needs Python >= 3.11 and make; every target sets up what it needs in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: predict test long-test stress lint types wheel-test validate-recorded figures notebooks pair docs hw-test benchmark lock clean

# The main job: DeepSeek-R1, one layer, four ranks of a GB200 NVL72, default against batched.
predict: .venv/ready
	$(BIN)/dwdp-sim -m strategy=default,batched hydra.sweep.dir=outputs/predict

test: .venv/ready
	$(BIN)/pytest -n 2

# Sweeps under every launcher: killed at random, on a full disk, with dead workers. Half an hour.
stress: .venv/ready
	$(BIN)/pytest -m slow

# What takes too long for the suite: the README's commands, sweeps through submitit and Ray, fits of whole campaigns.
long-test: .venv/ready
	$(BIN)/pytest -n 2 -m long

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: .venv/ready
	$(BIN)/mypy

# The built wheel, alone in an empty folder; then the recipe of CONTRIBUTING.md for a model, a cluster and a strategy there.
wheel-test: .venv/ready
	rm -rf dist build/wheel-test
	$(BIN)/python -m build --wheel --outdir dist . > /dev/null
	$(PYTHON) -m venv build/wheel-test
	build/wheel-test/bin/pip install -q -c requirements/dev.txt dist/*.whl
	mkdir build/wheel-test/empty
	cd build/wheel-test/empty && ../bin/dwdp-sim model=deepseek_v3_lite_nvfp4 hydra.run.dir=one
	cd build/wheel-test/empty && ../bin/dwdp-sim -m strategy=default,ring hydra.sweep.dir=two > /dev/null
	test -s build/wheel-test/empty/one/summary.json && test -s build/wheel-test/empty/two/1/summary.json
	$(BIN)/python -m tests.recipe build/wheel-test/own
	grep -v ^dwdp-hw build/wheel-test/own/run.sh > build/wheel-test/own/simulate.sh # measuring needs torch
	cd build/wheel-test/own && PATH="$$PWD/../bin:$$PATH" bash -eu simulate.sh > /dev/null
	cd build/wheel-test/own && test -s layer/summary.json && test -s steps/summary.json && test -s advice/advice.json
	test "$$(ls build/wheel-test/own/sweep/jobs | wc -l)" = 2

# Every recorded row's error stays in its band (measurements/bands.json).
validate-recorded: .venv/ready
	$(BIN)/python -m dwdp_hw.validation.gate

# The figures in the pages, from committed data: after rows, constants or the simulator have changed.
figures: .venv/ready
	$(BIN)/python docs/figures/validate.py
	$(BIN)/python docs/figures/render.py

# Runs every notebook, two at a time, into build/notebooks.
notebooks: .venv/ready
	mkdir -p build/notebooks
	ls notebooks/*.ipynb | xargs -P 2 -n 1 $(BIN)/jupyter-nbconvert --to notebook --execute \
		--ExecutePreprocessor.timeout=300 --log-level=WARN --output-dir=build/notebooks

# After a change of a notebook's script: its .ipynb follows.
pair: .venv/ready
	$(BIN)/jupytext --to ipynb --update notebooks/*.py

# The documentation site in build/site, with the notebooks' figures; it opens without a server and loads nothing from elsewhere.
docs: notebooks
	$(BIN)/python docs/site/gather.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict -f docs/site/mkdocs.yml
	! grep -rElE '<(script|link|img|iframe)[^>]*(src|href)="?(https?:)?//' --include=*.html build/site
	! grep -rElE 'url\(["'"'"']?(https?:)?//' --include=*.css build/site

# Needs an NVIDIA GPU and torch with CUDA in the Python that runs it.
hw-test:
	$(PYTHON) -m pytest -m gpu tests/dwdp_hw

benchmark: .venv/ready
	$(BIN)/python benchmarks/simpy_engine.py

lock: .venv/ready
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile --universal --python-version 3.11 pyproject.toml --extra dev --no-header --no-annotate \
		--quiet --upgrade -o requirements/dev.txt

.venv/ready: pyproject.toml requirements/dev.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -r requirements/dev.txt
	$(BIN)/pip install -q --no-deps -e .
	touch $@

clean:
	rm -rf .venv build dist outputs multirun
