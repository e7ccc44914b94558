"""pyproject.toml, the locks, environment.yml, the container and the Makefile say the same thing."""

import json
import re
import subprocess
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement

from lib.base import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {"paper": ("paper", "cutout"), "dev": ("paper", "cutout", "dev"), "cutout": ("cutout",)}  # of each lock
LOCKS = {name: (ROOT / "workflow" / "locks" / f"{name}.lock").read_text() for name in EXTRAS}
every_lock = pytest.mark.parametrize("name", LOCKS)
UV = ROOT / ".venv" / "bin" / "uv"
needs_uv = pytest.mark.skipif(not UV.exists(), reason="uv is not in .venv (conda user)")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9._-]+", name)[0]).lower()


def entries(lock: str) -> set[str]:
    """Packages with versions and hashes, without who asked for them."""
    return {entry.strip() for entry in re.split(r"\n(?=[a-z0-9])", re.sub(r"\n *#.*", "", f"\n{lock}"))} - {""}


@every_lock
def test_lock_was_made_from_the_dependencies_of_today(name):
    """The lock says who asked for a package: pyproject.toml for the direct ones, in versions that it allows."""
    parts = re.split(r"\n(?=[a-z0-9])", LOCKS[name])
    direct = {normal(part): part for part in parts if f"{PROJECT['name']} (pyproject.toml)" in part}
    groups = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in EXTRAS[name])]
    wanted = [Requirement(text) for group in groups for text in group]
    assert set(direct) == {normal(one.name) for one in wanted}
    for one in wanted:
        assert one.specifier.contains(re.search(r"==([^\s;]+)", direct[normal(one.name)])[1])


@every_lock
def test_lock_has_every_hash_and_names_no_index_and_no_address(name):
    assert all("--hash=sha256:" in entry for entry in entries(LOCKS[name]))
    assert "://" not in LOCKS[name] and "--index-url" not in LOCKS[name] and "file:" not in LOCKS[name]


def test_smaller_locks_are_parts_of_larger_ones_and_hold_nothing_large():
    """Same versions and files. triton is 1 GB, and only torch.compile needs it."""
    small, paper, dev = (entries(LOCKS[name]) for name in ("cutout", "paper", "dev"))
    assert small < paper < dev
    assert "triton" not in {normal(entry) for entry in dev}
    large = {"torch", "torchvision", "scipy", "numba", "llvmlite", "opencv-python-headless", "pandas"}
    assert not large & {normal(entry) for entry in small}


def test_direct_dependencies_are_few():
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    assert sum(map(len, groups)) <= 34
    assert set(PROJECT["optional-dependencies"]) == {"paper", "cutout", "dev"}


def test_installed_versions_are_those_of_the_lock():
    from importlib.metadata import version

    for name in ("torch", "torchvision", "papermill", "snakemake", "nbval", "pandas"):
        assert re.search(rf"^{name}=={re.escape(version(name).split('+')[0])} ", LOCKS["dev"], re.MULTILINE), name


def test_conda_users_install_the_same_lock():
    """environment.yml brings Python alone: its pip would resolve dependencies, and a lock without triton is not complete
    to it."""
    text = (ROOT / "environment.yml").read_text()
    found = yaml.safe_load(text)["dependencies"]
    python = next(entry for entry in found if entry.startswith("python="))
    assert tuple(map(int, python.split("=")[1].split("."))) >= (3, 11) and PROJECT["requires-python"] == ">=3.11"
    assert set(found) - {python} == {"pip", "git", "make"}
    assert "pip install --no-deps --require-hashes -r workflow/locks/paper.lock" in text


def test_container_has_the_python_of_conda_and_the_set_up_of_make():
    dockerfile = (ROOT / ".devcontainer" / "Dockerfile").read_text()
    plain = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    python = next(entry for entry in plain if entry.startswith("python=")).split("=")[1]
    assert f"FROM python:{python}-slim-" in dockerfile and "RUN make env" in dockerfile
    assert "COPY workflow/locks/ workflow/locks/" in dockerfile
    described = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert described["build"] == {"dockerfile": "Dockerfile", "context": ".."}
    assert described["postCreateCommand"] == "make env"


def test_builds_for_cpus_are_taken_only_when_they_are_asked_for():
    command = ["make", "--dry-run", "--no-print-directory", "--always-make", "env"]
    plain, asked = (
        subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for more in ([], ["TORCH=cpu"])
    )
    assert "--no-deps --require-hashes -r workflow/locks/paper.lock" in plain and "--torch-backend" not in plain
    said = " ".join(asked.replace("\\\n", " ").split())
    assert "--torch-backend cpu --no-verify-hashes --constraint workflow/locks/paper.lock '.[paper,cutout]'" in said
    assert "-r workflow/locks/paper.lock" not in said


def refused(done: subprocess.CompletedProcess) -> bool:
    """Whether uv reached the index and refused; without a network the test skips."""
    if done.returncode and not re.search("no usable wheels|no wheels|unsatisfiable", done.stderr):
        pytest.skip(f"uv could not ask the package index: {done.stderr.splitlines()[-1] if done.stderr else ''}")
    return done.returncode != 0


@pytest.mark.slow
@needs_uv
@every_lock
def test_lock_is_that_of_pyproject(name, tmp_path):
    """uv, given the lock as its preference, changes nothing when the lock satisfies pyproject.toml."""
    copy = tmp_path / "requirements.lock"
    copy.write_text(LOCKS[name])
    command = [UV, "pip", "compile", ROOT / "pyproject.toml", *(f"--extra={extra}" for extra in EXTRAS[name])]
    command += ["--universal", "--python-version=3.11", "--generate-hashes", "--no-emit-index-url", "--no-header"]
    command += ["--no-emit-package=triton", "--quiet", "--output-file", copy]
    assert not refused(subprocess.run(command, capture_output=True, text=True, cwd=tmp_path))
    assert entries(copy.read_text()) == entries(LOCKS[name])


@pytest.mark.slow
@needs_uv
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_one_lock_serves_every_python_by_wheels(version, tmp_path):
    """uv, asked as if it ran on that Python and on Linux, finds a wheel of every pinned package, with its hash."""
    command = [
        UV,
        "pip",
        "install",
        "--dry-run",
        "--no-deps",
        "--require-hashes",
        "-r",
        ROOT / "workflow/locks/dev.lock",
    ]
    command += [
        "--python-version",
        version,
        "--python-platform",
        "x86_64-manylinux_2_28",
        "--target",
        tmp_path / "none",
    ]
    from_source = SOURCES | ({"immutables"} if version == "3.14" else set())  # in C, and no wheel for the newest yet
    command += ["--only-binary=:all:", *(f"--no-binary={name}" for name in sorted(from_source))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert not refused(done), done.stderr
    assert "torch==" in done.stderr


SOURCES = {"connection-pool"}  # in plain Python, without wheels
