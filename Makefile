PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
ARGS ?=
LOGDIR ?= outputs

.PHONY: help install train sweep tensorboard test bench classifier lint format clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

install: $(INSTALLED)  ## make .venv with the versions of constraints.txt

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,parallel,slurm,optuna,wandb,mlflow]'
	touch $@

train: $(INSTALLED)  ## train the default experiment; ARGS="key=value ..." overrides
	$(BIN)/python train.py $(ARGS)

sweep: ARGS = model.clip_value=0.01,0.05 optimizer.lr=5e-5,1e-4 model.n_critic=1,5
sweep: $(INSTALLED)  ## train every combination of ARGS="key=value,value ..."
	$(BIN)/python train.py -m $(ARGS)

tensorboard: $(INSTALLED)  ## show the runs in LOGDIR=outputs; sweeps are in LOGDIR=multirun
	$(BIN)/tensorboard --logdir $(LOGDIR)

test: $(INSTALLED)  ## run the whole test suite; ARGS="-m 'not slow'" for the quick part
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder $(ARGS)

bench: $(INSTALLED)  ## measure what an iteration, a job and a run cost here
	$(BIN)/python -m bench

classifier: $(INSTALLED)  ## train the digit classifier of the quality figures anew
	$(BIN)/python -m wgan.quality.classifier_training

lint: $(INSTALLED)  ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(INSTALLED)  ## rewrite the code in the house style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:  ## remove .venv and caches; runs stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
