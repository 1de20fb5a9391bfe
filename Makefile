# Needs Python >= 3.11 and make; every target sets up what it needs in .venv.
PYTHON ?= python3
BIN := .venv/bin

# Containers often set it; every start would then translate all modules again, which takes longer than a prediction.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: predict test long-test stress lint types dist wheel-test install-matrix first-minutes validate-recorded figures published notebooks reports pictures docs site-test hw-test benchmark speed audit lock clean

# The main job: DeepSeek-R1, one layer, four ranks of a GB200 NVL72, default against batched.
predict: .venv/ready
	$(BIN)/dwdp-sim -m strategy=default,batched hydra.sweep.dir=outputs/predict

test: .venv/dev-ready
	$(BIN)/pytest -n 2 --dist worksteal

# Sweeps under every launcher: killed at random, on a full disk, with dead workers. Half an hour.
stress: .venv/dev-ready
	$(BIN)/pytest -m slow

# What takes too long for the suite: the README's commands, sweeps through submitit and Ray, fits of whole campaigns.
long-test: .venv/dev-ready
	$(BIN)/pytest -n 2 --dist worksteal -m long

lint: .venv/dev-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: .venv/dev-ready
	$(BIN)/mypy

# What is published: a source archive, and the wheel that is built of nothing else.
dist: .venv/dev-ready
	rm -rf dist
	$(BIN)/python -m build --outdir dist . > /dev/null
	$(BIN)/twine check --strict dist/*

# The wheel in an empty environment of every Python that is here, and with the lowest versions that it allows: minutes.
install-matrix: dist
	$(BIN)/python -m tests.installed dist/*.whl

# How long a newcomer waits for a first prediction, advice and report, from a fresh clone without caches, three times: minutes.
first-minutes:
	$(PYTHON) benchmarks/first_minutes.py --out docs/data/first_minutes.json

# The built wheel, alone in an empty folder; then the recipe of CONTRIBUTING.md for a model, a cluster and a strategy there.
wheel-test: dist
	rm -rf build/wheel-test
	$(PYTHON) -m venv build/wheel-test
	build/wheel-test/bin/pip install -q -c requirements/dev.txt dist/*.whl
	mkdir build/wheel-test/empty
	cd build/wheel-test/empty && ../bin/dwdp-sim model=deepseek_v3_lite_nvfp4 hydra.run.dir=one
	cd build/wheel-test/empty && ../bin/dwdp-sim -m strategy=default,ring hydra.sweep.dir=two > /dev/null
	cd build/wheel-test/empty && ../bin/dwdp-sim workload=iteration compute=silicon workload.range=false workload.replications=1 \
		model=deepseek_v3_lite_nvfp4 hydra.run.dir=three > /dev/null
	grep -q '"how": "interpolated"' build/wheel-test/empty/three/summary.json
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
	$(BIN)/python -m dwdp_hw.validation.recorded_noise
	$(BIN)/python docs/figures/validate.py
	$(BIN)/python docs/figures/measured_cases.py
	$(BIN)/python docs/figures/render.py
	$(BIN)/python docs/site/keys.py

# Every published figure predicted anew, six to nine minutes on two cores: after kernels, constants or the simulator have changed.
published: .venv/ready
	$(BIN)/dwdp-sim workload=published hydra.run.dir=build/published
	cp build/published/published.json docs/data/published.json

# Every notebook, run from its script, two at a time: build/notebooks/NAME.ipynb with what it shows.
notebooks: .venv/dev-ready
	mkdir -p build/notebooks
	ls notebooks | sed -n 's/\.py$$//p' | xargs -P 2 -I NAME \
		$(BIN)/jupytext --quiet --to ipynb --execute --run-path notebooks --output build/notebooks/NAME.ipynb notebooks/NAME.py

# Validation reports of recorded rows in build/reports, by the commands that a user has. Two are of constants fitted to a
# calibration on the same node, the others of the shipped ones. The last one cannot tell, by copies inside the GPU.
RECORDED := $(BIN)/dwdp-hw --config-dir build/reports source=recorded
reports: .venv/ready
	rm -rf build/reports && mkdir -p build/reports/cluster
	$(RECORDED) mode=calibrate cluster=h200_x2 check.use=all check.name=h200_x2_live hydra.run.dir=build/reports/h200_x2_live \
		rows=measurements/h200_x2_live_calibration.json check.out=build/reports/cluster/h200_x2_live.yaml
	$(RECORDED) mode=calibrate cluster=h100_x1_host check.use=all check.name=h100_x1_live hydra.run.dir=build/reports/h100_x1_live \
		rows=measurements/h100_x1_live_calibration.json check.out=build/reports/cluster/h100_x1_live.yaml
	$(RECORDED) mode=validate cluster=h200_x2_live hydra.run.dir=build/reports/h200_x2_live \
		rows=measurements/h200_x2_live_validation.json
	$(RECORDED) mode=validate cluster=h100_x1_live hydra.run.dir=build/reports/h100_x1_live \
		rows=measurements/h100_x1_live_validation.json
	$(RECORDED) mode=validate cluster=h200_x2 hydra.run.dir=build/reports/h200_x2_processes \
		'rows=[$(shell echo measurements/h200_x2_validation_?.json | tr ' ' ,)]'
	$(RECORDED) mode=validate cluster=h200_x2 hydra.run.dir=build/reports/h200_x2_other_day \
		rows=measurements/h200_x2_random.json
	$(RECORDED) mode=validate cluster=h100_x1_host hydra.run.dir=build/reports/h100_x1_host \
		rows=measurements/h100_x1_host_experts.json || test $$? = 5

# Pictures of docs/gallery.md and docs/reading.md, by the commands there; needs chromium.
pictures: .venv/dev-ready
	$(BIN)/python docs/site/gallery.py
	$(BIN)/python docs/site/annotated.py

# The documentation site in build/site, with the notebooks' figures; it opens without a server and loads nothing from elsewhere.
docs: notebooks reports
	rm -rf build/docs
	$(BIN)/jupyter-nbconvert --log-level=WARN --to markdown --template-file=docs/site/notebook.md.j2 \
		--output-dir=build/docs/notebooks build/notebooks/*.ipynb
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	! grep -rElE '<(script|link|img|iframe)[^>]*(src|href)="?(https?:)?//' --include=*.html build/site
	! grep -rElE 'url\(["'"'"']?(https?:)?//' --include=*.css build/site

# The built site in a browser: accessibility of every page at two widths, and its search.
site-test:
	DWDP_REQUIRE_SITE=1 $(BIN)/pytest -n 2 -m long tests/test_site_pages.py

# Needs an NVIDIA GPU and torch with CUDA in the Python that runs it.
hw-test:
	$(PYTHON) -m pytest -m gpu tests/dwdp_hw

benchmark: .venv/dev-ready
	$(BIN)/python benchmarks/simpy_engine.py
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python benchmarks/silicon_queries.py
	$(BIN)/python benchmarks/start_up.py

# Speed and memory of the engines in every case, for docs/speed.md: minutes, on a machine that does nothing else. Needs SimGrid.
speed: .venv/dev-ready
	$(BIN)/python -m benchmarks.speed all

# Weaknesses of the locked packages that are known, from a database on the network, which CI cannot count on.
audit: .venv/ready
	$(BIN)/pip install -q pip-audit
	for lock in core dev; do $(BIN)/pip-audit --no-deps --disable-pip -r requirements/$$lock.txt || exit 1; done

# What predicting needs (core.txt) are lines of what developing needs (dev.txt): both are for one .venv. The lowest versions
# that pyproject.toml allows (lowest.txt) are only tried.
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 pyproject.toml --no-header --no-annotate --quiet --upgrade
lock: .venv/ready
	$(BIN)/pip install -q uv
	$(COMPILE) --extra dev -o requirements/dev.txt
	$(COMPILE) --constraint requirements/dev.txt -o requirements/core.txt
	$(BIN)/uv pip compile --python-version 3.11 pyproject.toml --no-header --no-annotate --quiet --upgrade \
		--resolution lowest-direct -o requirements/lowest.txt

# Not compiled to bytecode by pip: the first run does that for what it imports, a tenth of all modules.
.venv/ready: pyproject.toml requirements/core.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --no-compile --no-deps -r requirements/core.txt -e .
	touch $@

.venv/dev-ready: .venv/ready requirements/dev.txt
	$(BIN)/pip install -q --no-compile -r requirements/dev.txt
	touch $@

clean:
	rm -rf .venv build dist outputs multirun
