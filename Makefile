# `make paper` and `make test` do all of the set-up. See README.md.
PROFILE ?= quick
DATA ?=
DATA_DIR ?=
SET ?=
CLAIM ?=
SNAKEMAKE ?=
LAB ?=
CORES ?= 0
PYTHON ?= python3
# `make env TORCH=cpu`: PyTorch's builds for CPUs, from PyTorch's own index; the lock's versions, but no lock has their sums.
TORCH ?=
NEEDED = .[paper,cutout]
UV = 0.13.8
BIN = .venv/bin
PYTEST = $(BIN)/python -m pytest
# The commands get these as arguments; make would look up what stands behind a dollar in them to put them into the environment.
unexport PROFILE DATA DATA_DIR SET CLAIM SNAKEMAKE CORES A B
# The run depends on its lock, not on the Python settings of its user.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONSAFEPATH PYTHONOPTIMIZE
export PYTHONUTF8 = 1
export PYTHONNOUSERSITE = 1
# What the shell is to take as it stands: in single quotes, so that a folder may be called anything. `value`: make takes it so, too,
# and neither runs nor looks up what stands behind a dollar.
quoted = '$(subst ','\'',$(1))'
# SET is split into settings as a shell would, but by no shell: what stands in backticks there is not run. What needs a run
# gets all options and finds its name itself.
OPTIONS = $(call quoted,$(value PROFILE)) --cores $(call quoted,$(value CORES)) \
	$(if $(value DATA),--data $(call quoted,$(value DATA))) \
	$(if $(value DATA_DIR),--data-dir $(call quoted,$(value DATA_DIR))) \
	$(if $(value SNAKEMAKE),--snakemake=$(call quoted,$(value SNAKEMAKE))) \
	$(if $(value SET),--settings=$(call quoted,$(value SET)))

.PHONY: paper status article verify publish compare gpu-check test env try demo lab bench readme lock render render-check clean

paper: .venv/ready
	@exec $(BIN)/python -m workflow $(OPTIONS)

status: .venv/ready
	@$(BIN)/python -m workflow $(OPTIONS) --status

# The article of a run from its committed values, tables and figures; runs no notebook: make article PROFILE=paper
article: .venv/ready
	@$(BIN)/python -m workflow.article --run "$$($(BIN)/python -m workflow $(OPTIONS) --name)"

# Reruns what is stale, then says of each claim whether it stands as published; CLAIM=id: of that one, by what it rests on.
verify: .venv/ready
	@exec $(BIN)/python -m workflow.verify $(if $(value CLAIM),--claim=$(call quoted,$(value CLAIM))) $(OPTIONS)

# Makes the values of this run the published ones, which `make verify` compares with.
publish: .venv/ready
	@$(BIN)/python -m workflow.verify --publish $(OPTIONS)

compare: .venv/ready
	$(if $(and $(value A),$(value B)),,$(error name two runs: make compare A=reports/quick B=reports/quick-mine))
	@$(BIN)/python -m workflow.verify $(call quoted,$(value A)) $(call quoted,$(value B))

# Style and the contracts between the rooms first. Then the tests on one core. On the other copies of all notebooks, the tests that
# run the workflow and, at their end, since both have run the notebooks, whether they made the same tables.
WORKFLOW = tests/workflow/test_workflow.py
test: .venv/ready
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet || { echo "error: expected formatted code, found other; run .venv/bin/ruff format" >&2; exit 1; }
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m workflow.copies smoke smoke-nbval build/nbval
	@export OMP_NUM_THREADS=1; $(PYTEST) --nbval-lax --nbval-current-env build/nbval $(WORKFLOW) > build/nbval.log 2>&1 & notebooks=$$!; \
	export OMP_NUM_THREADS=1; $(PYTEST) tests --ignore=$(WORKFLOW); tests=$$?; \
	wait $$notebooks; ran=$$?; grep -v '^$$' build/nbval.log | tail -n $$((ran ? 160 : 40)); \
	test $$tests -eq 0 && test $$ran -eq 0

# Whether this machine can train a profile, and how long it would take, from a few steps of each kind: of gpu, or of PROFILE=...
gpu-check: .venv/ready
	@$(BIN)/python -m lib rehearse $(if $(value SET),--set $(call quoted,$(value SET))) \
		$(call quoted,$(if $(filter file,$(origin PROFILE)),gpu,$(value PROFILE)))

env: .venv/ready

# A rendered portrait cut out by the shipped networks, in a set-up of its own: ONNX Runtime, no PyTorch.
try: .venv-cutout/ready
	@.venv-cutout/bin/python -m lib.cutout.example build/try/photo.png
	@.venv-cutout/bin/python -m lib cutout build/try/photo.png -o build/try/cutout.png
	@echo "try: build/try/cutout.png is build/try/photo.png without its background; with a photograph of yours:" \
		".venv-cutout/bin/python -m lib cutout PHOTO -o OUT.png"

# Both shipped networks in one page that opens from disk, build/demo.html; npm fetches ONNX Runtime's web build for it, once.
demo: .venv/ready
	@$(BIN)/python -m workflow.demo.build

# As root JupyterLab wants to be told so: make lab LAB=--allow-root
lab: .venv/ready
	$(BIN)/jupyter lab $(LAB) notebooks

bench: .venv/ready
	$(BIN)/python tests/benchmarks

# The README's results.
readme: .venv/ready
	$(BIN)/python -m workflow.readme

# The exact versions, for every platform, with hashes and without the name of an index; those of `make try` are the same.
# roc-validator stands alone: its command line, which we don't use, wants an older rich than import-linter. What else it needs is
# the extra `standards`.
LOCK = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	--quiet
lock: .venv/ready
	$(LOCK) --extra paper --extra cutout --extra test --extra kaggle --extra slurm --extra encoder --extra peers \
		--extra standards \
		--output-file requirements.lock
	$(LOCK) --extra cutout --constraint requirements.lock --output-file requirements-cutout.lock
	echo 'roc-validator>=0.13' | $(subst pyproject.toml,-,$(LOCK)) --no-deps --output-file requirements-validator.lock

# data/portraits and data/sequences again, from the seeds: what is missing there. Blender's module wants Python 3.11 and an older
# NumPy than the paper, so it has an environment of its own; the paper runs without it.
render: build/render/ready
	build/render/bin/python data/render backgrounds
	build/render/bin/python data/render

# Stored people over a background against Blender's own render of the same, into data/check.csv.
render-check: build/render/ready
	build/render/bin/python data/render check

build/render/ready: Makefile
	@$(PYTHON) -m venv build/render
	@build/render/bin/python -m pip install --quiet bpy==5.0.1 anny==0.6.2 "numpy<2" "opencv-python-headless<4.12" \
		scipy pillow
	@touch build/render/ready

clean:
	@printf 'Remove runs/, build/, .cache/ and .snakemake/ (trainings included)? [y/N] '; read answer; \
	if [ "$$answer" = y ]; then rm -rf runs build .cache .snakemake; else echo 'kept'; fi

define check_python
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "error: expected Python 3.11 or" \
		"newer, found $$($(PYTHON) -V 2>&1 | tail -1); install it, or name it: make PYTHON=/path/to/python3" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: expected Python's venv module, found it" \
		"incomplete; install it (Debian: apt install python3-venv)" >&2; exit 2; }
endef

.venv/ready: requirements.lock requirements-validator.lock pyproject.toml
	$(check_python)
	@echo "set-up: the packages of requirements.lock into .venv (once; about two minutes, 6 GB)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet uv==$(UV)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python $(if $(TORCH),--torch-backend $(TORCH) --no-verify-hashes \
		--constraint requirements.lock '$(NEEDED)',--require-hashes -r requirements.lock)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements-validator.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@$(BIN)/python -c 'import pymatting'  # compiles its solvers, once; else the first notebook that needs them would
	@touch .venv/ready

.venv-cutout/ready: requirements-cutout.lock
	$(check_python)
	@echo "set-up: the packages of requirements-cutout.lock into .venv-cutout (once; seconds, 200 MB)"
	@$(PYTHON) -m venv .venv-cutout
	@.venv-cutout/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-cutout.lock
	@touch .venv-cutout/ready
