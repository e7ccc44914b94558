"""The whole paper, headless: `python -m workflow quick`. Checks all, then lets Snakemake run what is stale."""

import argparse
import ctypes
import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

from lib.base import ROOT, UserError, reports_dir, runs_dir, write_atomically
from workflow.plan import (
    PATHS,
    article_sources,
    forget_stale,
    is_complete,
    make_plan,
    parse_setting,
    record_path,
    stale_reasons,
)

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PATIENCE = 15  # seconds that the remains of a killed run get to end


def settings(arguments: argparse.Namespace) -> tuple[str, dict]:
    """The name of the run, and the parameters given on the command line, with paths made absolute."""
    overrides = dict(parse_setting(text) for text in arguments.set)
    overrides |= {"data": arguments.data} if arguments.data else {}
    overrides |= {"data_dir": arguments.data_dir} if arguments.data_dir else {}
    for name in PATHS:
        value = overrides.get(name)
        if isinstance(value, str) and value not in ("", "imagenet"):
            overrides[name] = os.path.abspath(os.path.expanduser(value))
    data = overrides.get("data", "portraits")
    name = arguments.profile if data == "portraits" else f"{arguments.profile}-{data}"
    return overrides.setdefault("run", name), overrides


@contextmanager
def alone(run: str):
    """Hold runs/<run>/.lock, which the kernel frees even after kill -9; UserError while another holds it."""
    runs_dir(run).mkdir(parents=True, exist_ok=True)
    with open(runs_dir(run) / ".lock", "w") as lock:
        last = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() > last:
                    raise UserError(f"run {run}: expected no other `make paper` of this run, found one at "
                                    "work; wait for it to end.") from error
                time.sleep(0.2)
        yield


def snakemake(run: str, cores: int, more: str = "") -> int:
    """Let Snakemake run what is stale; its own log goes to runs/<run>/snakemake.log. Returns its exit status."""
    # --nolock: `alone` does that, and Snakemake's own lock would outlive a kill -9.
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile"),
               "--directory", str(ROOT), "--cores", str(cores), "--config", f"run={run}", "--resources", "gpu=1",
               "--nolock", "--keep-going", "--rerun-incomplete", "--rerun-triggers", "params", "mtime", "input",
               "--scheduler", "greedy", *shlex.split(more)]
    with open(runs_dir(run) / "snakemake.log", "a") as log:
        process = subprocess.Popen(command, stderr=log, cwd=ROOT, preexec_fn=_end_with_parent)
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()  # Ctrl-C reached Snakemake as well
            raise


def _end_with_parent() -> None:
    """Ask Linux to kill this process when its parent is killed, so that no half-dead run works on unseen."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def failures(run: str, plan: dict) -> list[str]:
    """One sentence for each step that failed, and for each that did not run because of that."""
    said = []
    for notebook, step in plan.items():
        error = record_path(run, notebook).with_suffix(".error")
        if error.is_file():
            said.append(f"{notebook} failed: {error.read_text()}")
        elif not record_path(run, notebook).is_file():
            missing = [need for need in step["needs"] if not record_path(run, need).is_file()]
            said.append(f"{notebook} did not run" + (f", it needs {' and '.join(missing)}." if missing else "."))
    error = runs_dir(run) / "steps" / "article.error"
    return said + ([f"article failed: {error.read_text()}"] if error.is_file() else [])


def paper(arguments: argparse.Namespace) -> int:
    """Bring a run up to date, or say what is stale. Returns the exit status."""
    run, overrides = settings(arguments)
    plan = make_plan(arguments.profile, overrides)
    article = (reports_dir(run) / "paper.html").relative_to(ROOT)
    stale = stale_reasons(run, plan)
    for notebook, reasons in stale.items():
        print(f"{notebook}: {'stale (' + ', '.join(reasons) + ')' if reasons else 'up to date'}", flush=True)
    if arguments.status:
        return 0
    if not any(stale.values()) and is_complete(run):  # Snakemake would say the same, some seconds later
        print(f"The paper is {article}, its PDF beside it; all pages: {article.with_name('index.html')}.")
        return 0
    start = time.monotonic()
    with alone(run):
        forget_stale(run, plan)
        for old in (runs_dir(run) / "steps").glob("*.error"):
            old.unlink()
        write_atomically(runs_dir(run) / "plan.json", json.dumps(plan, indent=1, sort_keys=True).encode())
        sources = [file.relative_to(ROOT).as_posix() for file in article_sources()]
        write_atomically(runs_dir(run) / "sources.json", json.dumps(sources, indent=1).encode())
        status = snakemake(run, arguments.cores or os.cpu_count() or 1, arguments.snakemake)
    if not status:
        print(f"The paper is {article}, its PDF beside it; all pages: {article.with_name('index.html')} "
              f"({time.monotonic() - start:.0f} s).")
        return 0
    if not all(record_path(run, notebook).is_file() for notebook in plan):
        (reports_dir(run) / "run.json").unlink(missing_ok=True)  # it would speak of other results than those there
    log = (runs_dir(run) / "snakemake.log").relative_to(ROOT)
    print("\n".join([*failures(run, plan), f"error: run {run} is not complete; the whole story is in {log}."]),
          file=sys.stderr)
    return 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profile", nargs="?", default="quick", help="a file of notebooks/profiles, without .toml")
    parser.add_argument("--data", default="", help="portraits, aisegment or folder")
    parser.add_argument("--data-dir", default="", help="directory of the images")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="any parameter of the notebooks")
    parser.add_argument("--cores", type=int, default=0, help="0 = all")
    parser.add_argument("--snakemake", default="", metavar="OPTIONS", help='e.g. "--executor slurm --jobs 8"')
    parser.add_argument("--status", action="store_true", help="only say which steps are stale, and why")
    try:
        status = paper(parser.parse_args())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("stopped; the next `make paper` goes on from the last finished step.", file=sys.stderr)
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
