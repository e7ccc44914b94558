"""The whole paper, headless: `python -m lib.paper quick`. Checks everything first, then lets Snakemake do what is stale."""

import argparse
import difflib
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from lib import parameters, provenance
from lib.errors import UserError
from lib.paths import ROOT, reports_dir, runs_dir
from lib.sources import open_source

PROFILES = ROOT / "notebooks" / "profiles"
NOTEBOOKS = ("01_data", "02_unsupervised", "03_vgg16", "04_augmentation", "05_results")


def read_profile(name: str) -> dict:
    """The tables of notebooks/profiles/<name>.toml; UserError that lists the known ones for another name."""
    known = sorted(path.stem for path in PROFILES.glob("*.toml"))
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        advice = f"did you mean {close[0]}?" if close else "choose one of them."
        raise UserError(f"profile: expected one of {', '.join(known)}, found {name!r}; {advice}")
    return tomllib.loads((PROFILES / f"{name}.toml").read_text())


def parse_setting(text: str) -> tuple[str, object]:
    """"name=value" -> (name, value), the value read as TOML where it is TOML and as a plain word otherwise."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"SET: expected name=value, found {text!r}; write for example SET=\"epochs=20\".")
    try:
        return name.strip(), tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()


def notebook_parameters(profile: dict, overrides: dict, notebook: str, declared: dict) -> dict:
    """The values for one notebook: profile, its own table in the profile, overrides; only those it declares."""
    values = {**profile.get("parameters", {}), **profile.get(notebook, {}), **overrides}
    return {name: values[name] for name in sorted(declared) if name in values}


def make_plan(profile_name: str, overrides: dict) -> dict:
    """For each notebook its parameters and the fingerprints that decide whether it is stale.

    UserError for an unknown profile or parameter, a value out of range, or data that are not there.
    """
    profile = read_profile(profile_name)
    settings = {**profile.get("parameters", {}), **overrides}
    for name, value in settings.items():
        parameters.check_one(name, value)
    data = open_source(settings.get("data", "portraits"), settings.get("data_dir", ""),
                       settings["images"], settings["seed"]).fingerprint
    lock = hashlib.sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()
    plan = {}
    for notebook in NOTEBOOKS:
        path = ROOT / "notebooks" / f"{notebook}.ipynb"
        values = notebook_parameters(profile, overrides, notebook, provenance.declared_parameters(path))
        for name, value in values.items():
            parameters.check_one(name, value)
        step = {"parameters": values, "data": data, "lock": lock, "code": provenance.code_fingerprint(path)}
        step["fingerprint"] = hashlib.sha256(json.dumps(step, sort_keys=True).encode()).hexdigest()
        plan[notebook] = step
    return plan


def stale_reasons(run: str, plan: dict) -> dict[str, list[str]]:
    """For each notebook what differs from its last finished execution: parameters, code, data, lock; [] = fresh."""
    reasons = {}
    for notebook, step in plan.items():
        record = runs_dir(run) / "steps" / f"{notebook}.json"
        if not record.is_file():
            reasons[notebook] = ["never finished here"]
            continue
        old = json.loads(record.read_text())
        reasons[notebook] = [part for part in ("parameters", "code", "data", "lock") if old.get(part) != step[part]]
    return reasons


def make(run: str, cores: int) -> int:
    """Let Snakemake run what is stale; its own log goes to runs/<run>/snakemake.log. Returns its exit status."""
    lock_path = ROOT / "runs" / ".lock"
    with open(lock_path, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError("make paper: expected to be alone, found another one running in this folder; "
                            "wait for it to end.") from error
        # Our own lock is released by the kernel even after a kill -9, so Snakemake's, which is not, is not needed.
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory",
                   str(ROOT), "--cores", str(cores), "--config", f"run={run}", "--resources", "gpu=1", "--nolock",
                   "--keep-going", "--rerun-incomplete", "--rerun-triggers", "params", "mtime", "input"]
        with open(runs_dir(run) / "snakemake.log", "a") as log:
            # The child inherits the lock: should only we be killed, nobody starts beside it.
            return subprocess.run(command, stderr=log, pass_fds=[lock.fileno()], cwd=ROOT).returncode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profile", nargs="?", default="quick")
    parser.add_argument("--data", default="")
    parser.add_argument("--data-dir", default="")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--cores", type=int, default=0, help="0 = all")
    parser.add_argument("--status", action="store_true", help="only say which steps are stale, and why")
    arguments = parser.parse_args()
    try:
        status = paper(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    sys.exit(status)


def paper(arguments: argparse.Namespace) -> int:
    overrides = dict(parse_setting(text) for text in arguments.set)
    overrides |= {"data": arguments.data} if arguments.data else {}
    overrides |= {"data_dir": str(Path(arguments.data_dir).resolve())} if arguments.data_dir else {}
    data = overrides.get("data", "portraits")
    run = arguments.profile if data == "portraits" else f"{arguments.profile}-{data}"
    plan = make_plan(arguments.profile, {**overrides, "run": run})
    reasons = stale_reasons(run, plan)
    for notebook, parts in reasons.items():
        print(f"{notebook}: {'stale (' + ', '.join(parts) + ')' if parts else 'up to date'}", flush=True)
    if arguments.status:
        return 0
    runs_dir(run).mkdir(parents=True, exist_ok=True)
    (runs_dir(run) / "plan.json").write_text(json.dumps(plan, indent=1, sort_keys=True))
    status = make(run, arguments.cores or os.cpu_count() or 1)
    failures = sorted((runs_dir(run) / "steps").glob("*.error"))
    for failure in failures:
        print(f"{failure.stem} failed: {failure.read_text()}", file=sys.stderr)
    if status and not failures:
        print(f"error: Snakemake ended with status {status}; see {runs_dir(run) / 'snakemake.log'}.", file=sys.stderr)
    if not status:
        print(f"The paper is in {(reports_dir(run) / 'index.html').relative_to(ROOT)}.")
    return 1 if status else 0


if __name__ == "__main__":
    main()
