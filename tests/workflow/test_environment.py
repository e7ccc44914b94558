"""pyproject.toml, the lock and environment.yml say the same thing."""

import json
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement

from lib.base import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
CUTOUT = (ROOT / "requirements-cutout.lock").read_text()  # for `make try`
# Blender's module needs other versions of the same packages, so `make render` has an environment of its own.
EXTRAS = {name: packages for name, packages in PROJECT["optional-dependencies"].items() if name != "render"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9._-]+", name)[0]).lower()


def test_every_direct_dependency_is_locked_with_hashes():
    entries = re.split(r"\n(?=[a-z0-9])", LOCK)
    locked = {normal(entry) for entry in entries if "==" in entry and "--hash=sha256:" in entry}
    extras = [name for group in EXTRAS.values() for name in group]
    assert {normal(name) for name in PROJECT["dependencies"] + extras} <= locked


def test_lock_was_made_from_the_dependencies_of_today():
    """Who asked for a package stands in the lock: pyproject.toml for the direct ones, in versions that it allows."""
    entries = re.split(r"\n(?=[a-z0-9])", LOCK)
    direct = {normal(entry): entry for entry in entries if f"{PROJECT['name']} (pyproject.toml)" in entry}
    wanted = [Requirement(text) for group in (PROJECT["dependencies"], *EXTRAS.values()) for text in group]
    assert set(direct) == {normal(one.name) for one in wanted}
    for one in wanted:
        assert one.specifier.contains(re.search(r"==([^\s;]+)", direct[normal(one.name)])[1])


@pytest.mark.parametrize("lock", [LOCK, CUTOUT], ids=["paper", "cutout"])
def test_lock_names_no_index_and_no_address(lock):
    assert "://" not in lock and "--index-url" not in lock and "file:" not in lock


def test_the_small_lock_is_a_part_of_the_large_one_without_what_is_large():
    """Same versions and files, and of the packages that alone would fill the small set-up's 300 MB none."""
    small, large = (set(re.split(r"\n    # via.*?(?=\n[a-z0-9]|\Z)", text, flags=re.DOTALL)) for text in (CUTOUT, LOCK))
    small, large = ({entry.strip() for entry in entries} - {""} for entries in (small, large))
    assert small <= large
    names = {normal(entry) for entry in small}
    assert {normal(name) for name in PROJECT["dependencies"] + EXTRAS["cutout"]} <= names
    assert not names & {"torch", "torchvision", "scipy", "numba", "llvmlite", "opencv-python-headless", "pandas"}
    assert all("--hash=sha256:" in entry for entry in small)


def test_installed_versions_satisfy_the_lock():
    from importlib.metadata import version

    for name in ("torch", "torchvision", "papermill", "snakemake", "nbval", "pandas"):
        assert f"\n{name}=={version(name).split('+')[0]} " in LOCK.replace("\\", " ").replace("  ", " ")


def test_environment_yml_takes_every_package_from_the_lock():
    found = yaml.safe_load((ROOT / "environment.yml").read_text())
    plain = [entry for entry in found["dependencies"] if isinstance(entry, str)]
    pips = [entry for entry in found["dependencies"] if isinstance(entry, dict)]
    assert pips == [{"pip": ["-r requirements.lock"]}]
    python = next(entry for entry in plain if entry.startswith("python="))
    assert tuple(map(int, python.split("=")[1].split("."))) >= (3, 11) and PROJECT["requires-python"] == ">=3.11"
    assert {entry for entry in plain if entry != python} == {"pip", "git", "make"}


def test_make_lab_hands_jupyters_options_on():
    """JupyterLab refuses to run as root unless it is told --allow-root."""
    command = ["make", "--dry-run", "--no-print-directory", "--assume-old=.venv/ready", "lab"]
    for options, said in (
        ([], ".venv/bin/jupyter lab notebooks"),
        (["LAB=--allow-root"], ".venv/bin/jupyter lab --allow-root notebooks"),
    ):
        done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.split() == said.split()


def test_builds_for_cpus_are_taken_only_when_they_are_asked_for():
    command = ["make", "--dry-run", "--no-print-directory", "--always-make", "env"]
    plain, asked = (
        subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for more in ([], ["TORCH=cpu"])
    )
    assert "--require-hashes -r requirements.lock" in plain and "--torch-backend" not in plain
    said = " ".join(asked.replace("\\\n", " ").split())
    assert "--torch-backend cpu --no-verify-hashes --constraint requirements.lock '.[paper,cutout]'" in said
    assert "-r requirements.lock" not in said


def test_lock_is_that_of_pyproject(tmp_path):
    """uv, given the lock as its preference, changes nothing when the lock satisfies pyproject.toml."""
    uv = ROOT / ".venv" / "bin" / "uv"
    if not uv.exists():
        pytest.skip("uv is not in .venv (conda user)")
    copy = tmp_path / "requirements.lock"
    copy.write_text(LOCK)
    command = [
        str(uv),
        "pip",
        "compile",
        str(ROOT / "pyproject.toml"),
        *(f"--extra={name}" for name in EXTRAS),
        "--universal",
        "--python-version",
        "3.11",
        "--generate-hashes",
        "--no-emit-index-url",
        "--no-header",
        "--quiet",
        "--output-file",
        str(copy),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    if done.returncode:
        pytest.skip(f"uv could not ask the package index: {done.stderr.splitlines()[-1] if done.stderr else ''}")
    assert re.findall(r"^\S+==\S+", copy.read_text(), re.M) == re.findall(r"^\S+==\S+", LOCK, re.M)


# Of these there are no wheels: two in plain Python for all versions, one in C that has none yet for the newest.
PLAIN = {"connection-pool", "jsonpath-rw"}
FROM_SOURCE = {"3.11": PLAIN, "3.12": PLAIN, "3.13": PLAIN, "3.14": PLAIN | {"immutables"}}


@pytest.mark.parametrize("version", FROM_SOURCE)
def test_one_lock_serves_every_python_by_wheels(tmp_path, version):
    """uv, asked as if it stood on that Python and on Linux, finds a wheel of every pinned package, with its hash."""
    uv = ROOT / ".venv" / "bin" / "uv"
    if not uv.exists():
        pytest.skip("uv is not in .venv (conda user)")
    command = [uv, "pip", "install", "--dry-run", "--require-hashes", "--requirement", ROOT / "requirements.lock"]
    command += [
        "--python-version",
        version,
        "--python-platform",
        "x86_64-manylinux_2_28",
        "--target",
        tmp_path / "none",
    ]
    command += ["--only-binary=:all:", *(f"--no-binary={name}" for name in sorted(FROM_SOURCE[version]))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    if done.returncode and not re.search("no usable wheels|no wheels|unsatisfiable", done.stderr):
        pytest.skip(f"uv could not ask the package index: {done.stderr.splitlines()[-1] if done.stderr else ''}")
    assert done.returncode == 0, done.stderr
    assert "torch==" in done.stderr


def test_container_is_set_up_as_the_readme_says():
    """.devcontainer/: the Python of environment.yml, README's Debian packages, and `make env`."""
    dockerfile = (ROOT / ".devcontainer" / "Dockerfile").read_text()
    plain = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    python = next(entry for entry in plain if str(entry).startswith("python=")).split("=")[1]
    assert f"FROM python:{python}-slim-" in dockerfile
    asked = re.search(r"apt-get install -y --no-install-recommends ([a-z0-9 -]+)", dockerfile)[1].split()
    wanted = re.search(r"You need Linux, (.*?) and Python", (ROOT / "README.md").read_text())[1]
    assert set(asked) - {"ca-certificates"} == set(re.split(r", | and ", wanted))
    assert (
        "RUN make env" in dockerfile
        and "COPY requirements.lock requirements-validator.lock pyproject.toml Makefile" in dockerfile
    )
    described = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert described["build"] == {"dockerfile": "Dockerfile", "context": ".."}
    assert described["postCreateCommand"] == "make env"


def test_python_of_the_tests_is_allowed():
    assert sys.version_info >= (3, 11)
