# Two commands do everything: `make reproduce PAPER=mrca` and `make test`. `make help` lists the rest.
PAPER   ?=
TIER    ?= mini
CLUSTER ?= local
WAIT    ?=
SITE    ?=
SEEDS   ?=
STORE   ?= .segrepro
DATA    ?=
OBJECTS ?=
OUT     ?= reports/generated
ARGS    ?=
PYTHON  ?= python3

RUN  := .venv/bin/segrepro
# Places may have blanks, quotes and what else a shell reads; ARGS is passed on as it is.
quoted = '$(subst ','\'',$(1))'
PLAN = $(PAPER) --tier $(TIER) $(if $(SEEDS),--seeds $(SEEDS)) --store $(call quoted,$(STORE)) $(if $(DATA),--data $(call quoted,$(DATA))) $(if $(OBJECTS),--objects $(call quoted,$(OBJECTS))) $(if $(SITE),--site $(call quoted,$(SITE))) $(ARGS)
WHERE := --cluster $(CLUSTER) $(if $(WAIT),--wait)

export OMP_NUM_THREADS ?= 1
# Of the cluster that `make slurm-up` started, where there is one and no other is named.
ifeq ($(CLUSTER)$(SLURM_CONF),slurm)
SLURM_CONF := $(shell $(PYTHON) -m tests.harness.slurm.cluster conf 2>/dev/null)
$(if $(SLURM_CONF),$(eval export SLURM_CONF))
endif

.DEFAULT_GOAL := help
.PHONY: help setup reproduce report status test check mutants bench checkpoints slurm-up slurm-down chaos

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo "  variables: PAPER TIER=$(TIER) CLUSTER=$(CLUSTER) WAIT SITE SEEDS STORE=$(STORE) DATA OBJECTS OUT=$(OUT) ARGS (passed on)"

setup: .venv/ready ## make .venv with the locked packages

reproduce: .venv/ready ## run a paper and write its report, e.g. make reproduce PAPER=mrca; PAPER=all runs every paper
	@$(RUN) run $(PLAN) $(WHERE) --out $(call quoted,$(OUT))

report: .venv/ready ## write the report again from what is finished
	@$(RUN) report $(PLAN) --out $(call quoted,$(OUT))

status: .venv/ready ## show what is done, running, failed and waiting
	@$(RUN) status $(PLAN)

test: .venv/ready ## run the test suite; ARGS=--exhaustive adds what takes minutes more
	@.venv/bin/python -m pytest -q -n auto --dist loadfile $(ARGS)

check: .venv/ready ## format, lint and type checks
	@.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy

mutants: .venv/ready ## break the code on purpose in many places and see whether a test notices each, e.g. ARGS="--sample 8"
	@.venv/bin/python -m tests.mutants.run $(ARGS)

bench: .venv/ready ## run the benchmarks, minutes; ARGS=--full-size takes the sizes that documents quote
	@.venv/bin/python -m pytest benchmarks/ --benchmark-only $(ARGS)

checkpoints: .venv/ready ## train the miniature checkpoints anew
	@$(RUN) run checkpoints --tier $(TIER) --store $(call quoted,$(STORE)) $(WHERE) --out $(call quoted,$(OUT)) $(ARGS)

slurm-up: ## start a SLURM cluster of two nodes on this machine, to try CLUSTER=slurm
	@$(PYTHON) -m tests.harness.slurm.cluster up

slurm-down: ## stop it and remove everything of it
	@$(PYTHON) -m tests.harness.slurm.cluster down

chaos: .venv/ready ## run a smoke plan on a local SLURM cluster under 50 faults and compare with an undisturbed run
	@.venv/bin/python -m tests.harness.slurm.chaos $(ARGS)

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "segrepro needs Python 3.11 or later; name one with PYTHON=python3.12")'
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@command -v uv >/dev/null || test -x .venv/bin/uv || .venv/bin/python -m pip install -q --disable-pip-version-check uv
	@uv=$$(command -v uv || echo .venv/bin/uv); $$uv pip install -q --compile-bytecode --python .venv/bin/python --require-hashes -r requirements.lock
	@uv=$$(command -v uv || echo .venv/bin/uv); $$uv pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e .
	@touch .venv/ready
