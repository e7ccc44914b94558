# `make try`, `make paper` and `make test` do all of the set-up. See README.md.
PROFILE ?= quick
DATA ?=
DATA_DIR ?=
SET ?=
CLAIM ?=
SNAKEMAKE ?=
CORES ?= 0
PYTHON ?= python3
# `make env TORCH=cpu`: PyTorch's builds for CPUs, from PyTorch's own index; the lock's versions, but no lock has their checksums.
TORCH ?=
NEEDED = .[paper,cutout]
NEEDED_DEV = .[paper,cutout,dev]
UV = 0.13.8
BIN = .venv/bin
LOCKS = workflow/locks
# The commands get these as arguments. Exported, make would expand a dollar in them.
unexport PROFILE DATA DATA_DIR SET CLAIM SNAKEMAKE CORES A B
# The run depends on its lock, not on the Python settings of its user.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONSAFEPATH PYTHONOPTIMIZE PIP_TARGET PIP_PREFIX
export PYTHONUTF8 = 1
export PYTHONNOUSERSITE = 1
export PIP_USER = 0
# A set-up is made again when its folder was renamed or copied or its lock has changed: its `ready` holds a checksum of both.
# Not by times, which a wrong clock or a copy changes.
stamp = { pwd; cat $(LOCKS)/$(1).lock pyproject.toml; } | cksum
outdated = $(shell $(call stamp,$(1)) | cmp -s - $(2) || echo $(2))
.PHONY: $(call outdated,paper,.venv/ready) $(call outdated,dev,.venv/ready-dev) $(call outdated,cutout,.venv-cutout/ready)
# Text for the shell in single quotes, so that a folder may have any name. `value`: make expands no dollar in it either.
quoted = '$(subst ','\'',$(1))'
# SET is split into settings by Python, not by a shell: what stands in backticks is not run.
OPTIONS = $(call quoted,$(value PROFILE)) --cores $(call quoted,$(value CORES)) \
	$(if $(value DATA),--data $(call quoted,$(value DATA))) \
	$(if $(value DATA_DIR),--data-dir $(call quoted,$(value DATA_DIR))) \
	$(if $(value SNAKEMAKE),--snakemake=$(call quoted,$(value SNAKEMAKE))) \
	$(if $(value SET),--settings=$(call quoted,$(value SET)))

.PHONY: paper status article verify publish compare gpu-check test test-all env try demo lab bench readme lock render \
	render-check clean

paper: .venv/ready
	@exec $(BIN)/python -m workflow $(OPTIONS)

status: .venv/ready
	@$(BIN)/python -m workflow $(OPTIONS) --status

# The article of a run from its committed values, tables and figures; runs no notebook: make article PROFILE=paper
article: .venv/ready
	@$(BIN)/python -m workflow.article --run "$$($(BIN)/python -m workflow $(OPTIONS) --name)"

# Reruns what is outdated, then compares each claim with the published results; CLAIM=id: that claim and its notebooks only.
verify: .venv/ready
	@exec $(BIN)/python -m workflow.verify $(if $(value CLAIM),--claim=$(call quoted,$(value CLAIM))) $(OPTIONS)

# Makes the values of this run the published ones, which `make verify` compares with.
publish: .venv/ready
	@$(BIN)/python -m workflow.verify --publish $(OPTIONS)

compare: .venv/ready
	$(if $(and $(value A),$(value B)),,$(error name two runs: make compare A=reports/quick B=reports/quick-mine))
	@$(BIN)/python -m workflow.verify $(call quoted,$(value A)) $(call quoted,$(value B))

# Style and import rules, then the tests and every notebook (nbval) in two processes. `slow` tests only with test-all.
test: .venv/ready-dev
	@$(call run_tests,-m 'not slow')

test-all: .venv/ready-dev
	@$(call run_tests,)

define run_tests
$(BIN)/ruff check --quiet && \
	{ $(BIN)/ruff format --check --quiet || { echo "error: code is not formatted; run .venv/bin/ruff format" >&2; exit 1; }; } && \
	$(BIN)/lint-imports --no-logo && \
	$(BIN)/python -m workflow.copies smoke smoke-nbval build/nbval && \
	start=$$(date +%s) && \
	{ OMP_NUM_THREADS=1 $(BIN)/python -m pytest --nbval-lax --nbval-current-env build/nbval && \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadscope tests $(1); \
	status=$$?; echo "test: $$(($$(date +%s) - start)) s"; exit $$status; }
endef

# Whether this machine can train a profile, and for how long: takes a few steps of each training of PROFILE (default: gpu).
gpu-check: .venv/ready
	@$(BIN)/python -m workflow.rehearse $(if $(value SET),--set $(call quoted,$(value SET))) \
		$(call quoted,$(if $(filter file,$(origin PROFILE)),gpu,$(value PROFILE)))

env: .venv/ready

# Cuts a rendered person out with the included networks, in an environment of its own: ONNX Runtime, no PyTorch.
try: .venv-cutout/ready
	@.venv-cutout/bin/python -m lib.cutout.example build/try/photo.png
	@.venv-cutout/bin/python -m lib cutout build/try/photo.png -o build/try/cutout.png
	@echo "try: build/try/cutout.png is build/try/photo.png without its background; with a photograph of yours:" \
		".venv-cutout/bin/python -m lib cutout PHOTO -o OUT.png"

# Both included networks in one page that opens from disk, build/demo.html; npm fetches ONNX Runtime's web build once.
demo: .venv/ready
	@$(BIN)/python -m workflow.demo.build

# JupyterLab refuses to run as root: .venv/bin/jupyter lab --allow-root notebooks
lab: .venv/ready
	$(BIN)/python -m jupyterlab notebooks

bench: .venv/ready-dev
	$(BIN)/python tests/benchmarks

# The README's results and reports/paper/README.md, from the committed run.
readme: .venv/ready
	$(BIN)/python -m workflow.readme

# The exact versions for all platforms, with hashes and without the name of an index. Versions change only where pyproject.toml
# asks for it; add --upgrade to LOCK to take newer ones. triton (1 GB) is left out: only torch.compile needs it.
LOCK = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	--no-emit-package triton --quiet
lock: .venv/ready
	$(LOCK) --extra paper --extra cutout --extra dev --output-file $(LOCKS)/dev.lock
	cp $(LOCKS)/dev.lock $(LOCKS)/paper.lock  # the versions to keep
	$(LOCK) --extra paper --extra cutout --output-file $(LOCKS)/paper.lock
	$(LOCK) --extra cutout --constraint $(LOCKS)/paper.lock --output-file $(LOCKS)/cutout.lock

# data/portraits and data/sequences again, from their seeds: what is missing there. See data/render/README.md.
render: build/render/ready
	build/render/bin/python data/render backgrounds
	build/render/bin/python data/render

# Stored people over a background against Blender's own render of the same, into data/check.csv.
render-check: build/render/ready
	build/render/bin/python data/render check

# Blender's module needs Python 3.11 and an older NumPy than the paper.
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

# --no-deps: a lock is complete, and triton, which PyTorch asks for, is left out.
.venv/ready:
	$(check_python)
	@echo "set-up: the packages of $(LOCKS)/paper.lock into .venv (once; about two minutes, 6 GB;" \
		"without a GPU: make env TORCH=cpu, 2 GB)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet uv==$(UV)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python $(if $(TORCH),--torch-backend $(TORCH) --no-verify-hashes \
		--constraint $(LOCKS)/paper.lock '$(NEEDED)',--no-deps --require-hashes -r $(LOCKS)/paper.lock)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@$(BIN)/python -c 'import pymatting'  # compiles its solvers once, else the first notebook that needs them would
	@$(call stamp,paper) > $@

.venv/ready-dev: .venv/ready
	@$(BIN)/uv pip install --quiet --python $(BIN)/python $(if $(TORCH),--torch-backend $(TORCH) --no-verify-hashes \
		--constraint $(LOCKS)/dev.lock '$(NEEDED_DEV)',--no-deps --require-hashes -r $(LOCKS)/dev.lock)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@$(call stamp,dev) > $@

.venv-cutout/ready:
	$(check_python)
	@echo "set-up: the packages of $(LOCKS)/cutout.lock into .venv-cutout (once; seconds, 200 MB)"
	@$(PYTHON) -m venv .venv-cutout
	@.venv-cutout/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCKS)/cutout.lock
	@$(call stamp,cutout) > $@
