# Everything a machine needs besides Python, a C++ compiler and cmake is fetched into .venv by the first target called.

PYTHON ?= python3
SOURCE ?= rendered
# More options for the demo, such as DEMO_ARGS='--side left'; `make demo DEMO_ARGS=--help` lists them.
DEMO_ARGS ?=
# The same for the long run, such as SOAK_ARGS='--backend onnxruntime'.
SOAK_ARGS ?=
# More options for pytest, such as PYTEST_ARGS='-k crop'; the last -n counts, 0 runs everything in one process.
PYTEST_ARGS ?=
# The same for the benchmarks, such as BENCH_ARGS='-k detnet'.
BENCH_ARGS ?=
# MEDIAPIPE=1 times MediaPipe Hands beside the tracker, in an environment of its own in .cache/.
MEDIAPIPE ?=
# What bench-check compares with: this, or the bench.json of another run.
BASELINE ?= benchmarks/baseline.json

RUN := .venv/bin/python

# .venv brings its own ROS 2. A sourced installation would lead Python to foreign libraries and must stay out of it.
unexport PYTHONPATH PYTHONHOME LD_LIBRARY_PATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH
unexport RMW_IMPLEMENTATION _ROS_WHEELS_BOOTSTRAP_COMPLETE

.PHONY: help python setup setup-tests demo soak test bench bench-check docs lint format clean

help:
	@echo 'make demo     track a rendered hand for $(or $(DURATION),20) s and compare with its truth; writes demo_output/'
	@echo '              DURATION=60  SOURCE=photo.jpg|folder|video.mp4|0 (webcam)  DEMO_ARGS=--help'
	@echo 'make soak     camera and tracker for $(or $(DURATION),600) s; fails when latency, lost pictures or memory miss their limits'
	@echo '              SOAK_ARGS=--help'
	@echo 'make test     linters, types and all tests; PYTEST_ARGS="-k crop"'
	@echo 'make bench    our methods timed beside the peer'\''s; prints a table and writes bench_output/; BENCH_ARGS="-k aik"'
	@echo '              MEDIAPIPE=1 adds MediaPipe Hands (1 GB, once)'
	@echo 'make bench-check  compares that run with benchmarks/baseline.json; fails when a ratio became 20 % worse; BASELINE='
	@echo 'make docs     the documentation as a site, site/index.html; warnings are errors'
	@echo 'make lint     ruff and mypy alone'
	@echo 'make format   let ruff rewrite what it can'
	@echo 'make setup    only make .venv (PYTHON=python3.11 chooses the interpreter)'
	@echo 'make clean    remove .venv, caches and everything built; keeps demo_output/, bench_output/ and runs/'

python:
	@command -v $(PYTHON) >/dev/null || \
	  { echo 'setup: no $(PYTHON) here; on Debian and Ubuntu: sudo apt-get install python3 python3-venv python3-dev'; exit 1; }

setup: python
	@$(PYTHON) tools/setup_env.py

setup-tests: python
	@$(PYTHON) tools/setup_env.py --tests

demo: setup
	@$(RUN) -m minimal_hand_ros.demo --duration '$(or $(DURATION),20)' --source '$(SOURCE)' $(DEMO_ARGS)

soak: setup
	@$(RUN) -m minimal_hand_ros.demo.soak --duration '$(or $(DURATION),600)' $(SOAK_ARGS)

test: lint
	@$(RUN) -m pytest -n 2 --dist loadgroup --no-loadscope-reorder $(PYTEST_ARGS)

bench: setup-tests
	@mkdir -p bench_output && rm -f bench_output/bench.json
	@$(RUN) -m pytest benchmarks --benchmark-timer=time.process_time --benchmark-columns=median,min,max,rounds \
	  --benchmark-json=bench_output/bench.json $(BENCH_ARGS); status=$$?; \
	  if [ -n '$(MEDIAPIPE)' ]; then $(RUN) -m benchmarks.mediapipe_hands bench_output/bench.json || status=$$?; fi; \
	  $(RUN) -m benchmarks.table bench_output/bench.json && exit $$status

bench-check: setup-tests
	@$(RUN) -m benchmarks.check '$(BASELINE)' bench_output/bench.json

docs: setup-tests
	@NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict
	@echo 'site/index.html; to search in it: $(RUN) -m mkdocs serve'

lint: setup-tests
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy minimal_hand_core

format: setup-tests
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

clean:
	rm -rf .venv build install log dist site *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache .cache .benchmarks
	find . -name __pycache__ -prune -exec rm -rf {} +
