"""Bring a run up to date: plan, say what is stale, and let Snakemake run it."""

import argparse
import ctypes
import errno
import fcntl
import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from lib import provenance
from lib.base import ROOT, UserError, reports_dir, runs_dir, write_atomically
from workflow import failures, home, plan, record
from workflow.options import settings

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LEAST = 2**16  # bytes below which a disk counts as full
PATIENCE = 15  # seconds that the remains of a killed run get to end
GRACE = 5  # seconds that Snakemake gets to end by itself once its run is to stop


def leave_with(work: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> NoReturn:
    """Do the work and end the program with its exit status; a user's mistake and Ctrl-C end it with a sentence.

    Under make it ends with make: who kills that means the run, and must not find one at work that nobody sees.
    """
    if "MAKELEVEL" in os.environ:
        _end_with_parent()
    try:
        status = work(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("stopped; the next `make paper` goes on from the last finished step.", file=sys.stderr)
        status = 130
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"error: {failures.no_space('make', error)}", file=sys.stderr)
        status = 2
    sys.exit(status)


def bring_up_to_date(arguments: argparse.Namespace) -> int:
    """Make what is stale of the run that the arguments name; with --status only say what is. Returns the exit
    status. With a list `notebooks` in the arguments these and no article are made; it names what they need as well."""
    refuse_dry_run(arguments.snakemake)
    given = settings(arguments)
    run, steps = given["run"], plan.make_plan(arguments.profile, given)
    if (only := getattr(arguments, "notebooks", None)) is not None:
        return _bring_notebooks_up_to_date(arguments, run, steps, only)
    stale = plan.stale_reasons(run, steps)
    ending = plan.ending_reasons(run, stale)
    for name, reasons in {**stale, "article": ending}.items():
        print(f"{name}: {'stale (' + ', '.join(reasons) + ')' if reasons else 'up to date'}", flush=True)
    if getattr(arguments, "status", False):
        return 0
    where = (reports_dir(run) / "paper.html").relative_to(ROOT)
    told = f"The paper is {where}, its PDF beside it; all pages: {where.with_name('index.html')}"
    if not ending:  # Snakemake would say the same, some seconds later
        print(f"{told}.")
        return 0
    start = time.monotonic()
    with alone(run):
        plan.forget_stale(run, steps)
        status, log = _execute(arguments, run, steps)
    if not status:
        print(f"{told} ({time.monotonic() - start:.0f} s).")
        return 0
    if not all(record.step_path(run, notebook).is_file() for notebook in steps):
        (reports_dir(run) / "run.json").unlink(missing_ok=True)  # it would speak of other results than those there
    return _tell_failure(run, steps, log)


def refuse_dry_run(options: str) -> None:
    """UserError for Snakemake options that run nothing: the run would be called complete."""
    for option in shlex.split(options):
        if option in ("--dry-run", "--dryrun") or re.fullmatch("-[a-zA-Z]*n[a-zA-Z]*", option):
            raise UserError(f"SNAKEMAKE: expected options of a run, found {option}; `make status` says what would run.")


def _bring_notebooks_up_to_date(arguments: argparse.Namespace, run: str, steps: dict, only: list[str]) -> int:
    """The same for some notebooks alone. The article of the run, where it has one, is stale after that."""
    wanted = {name: steps[name] for name in only}
    stale = plan.stale_reasons(run, wanted)
    for name, reasons in stale.items():
        print(f"{name}: {'stale (' + ', '.join(reasons) + ')' if reasons else 'up to date'}", flush=True)
    if not any(stale.values()):
        return 0
    with alone(run):
        plan.forget_stale(run, wanted)
        status, log = _execute(arguments, run, steps, [record.step_path(run, name) for name in only])
    return _tell_failure(run, wanted, log) if status else 0


def _execute(arguments: argparse.Namespace, run: str, steps: dict, targets: Sequence[Path] = ()) -> tuple[int, str]:
    """Leave Snakemake the plan and let it make the targets, by default everything."""
    failures.forget(run)
    write_atomically(runs_dir(run) / "plan.json", json.dumps(steps, indent=1, sort_keys=True).encode())
    sources = [file.relative_to(ROOT).as_posix() for file in plan.article_sources()]
    write_atomically(runs_dir(run) / "sources.json", json.dumps(sources, indent=1).encode())
    made = [target.relative_to(ROOT).as_posix() for target in targets]
    # "--": an option of several values, as --default-resources, ends there.
    more = shlex.join([*shlex.split(arguments.snakemake), *(["--", *made] if made else [])])
    return snakemake(run, arguments.cores or os.cpu_count() or 1, more)


def _tell_failure(run: str, steps: dict, log: str) -> int:
    print(
        "\n".join(
            [
                *(causes(run, steps) or last_words(log)),
                f"error: run {run} is not complete; the whole story is "
                f"in {(runs_dir(run) / 'snakemake.log').relative_to(ROOT)}.",
            ]
        ),
        file=sys.stderr,
    )
    return 1


@contextmanager
def alone(run: str):
    """Hold runs/<run>/.lock, which the kernel frees even after kill -9; UserError while another holds it."""
    runs_dir(run).mkdir(parents=True, exist_ok=True)
    with open(runs_dir(run) / ".lock", "a+") as lock:
        last = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() > last:
                    lock.seek(0)
                    raise UserError(
                        f"run {run}: expected no other `make paper` of this run, found one at work "
                        f"({lock.read() or 'process unknown'}); wait for it to end, or end it: kill -INT that process."
                    ) from error
                time.sleep(0.2)
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {platform.node()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        lock.flush()
        yield


def snakemake(run: str, cores: int, more: str = "") -> tuple[int, str]:
    """Let Snakemake run what is stale. Returns its exit status and its own log, which is added to
    runs/<run>/snakemake.log, too."""
    # --nolock: `alone` does that, and Snakemake's own lock would outlive a kill -9.
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(ROOT / "workflow" / "Snakefile"),
        "--directory",
        str(ROOT),
        "--cores",
        str(cores),
        "--config",
        f"run={run}",
        "--resources",
        # One step at a time has the GPU; where there is none, none waits for it.
        f"gpu={cores if provenance.environment()['gpu'] == 'none' else 1}",
        "--nolock",
        "--keep-going",
        "--rerun-incomplete",
        "--rerun-triggers",
        "params",
        "mtime",
        "input",
        "--scheduler",
        "greedy",
        *shlex.split(more),
    ]
    with open(runs_dir(run) / "snakemake.log", "ab+") as log:
        begin = log.seek(0, os.SEEK_END)
        process = subprocess.Popen(command, stderr=log, cwd=ROOT, preexec_fn=_end_with_parent, env=environment())
        try:
            status = process.wait()
        except KeyboardInterrupt:
            # Ctrl-C at a terminal reaches Snakemake and the steps, too; `kill -INT` of this process alone does not. The steps
            # end with Snakemake, and lose no more than a kill -9 would lose them.
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise
        log.seek(begin)
        return status, log.read().decode(errors="replace")


def environment() -> dict[str, str]:
    """The environment of Snakemake and its steps. SNAKEMAKE_* would change where they run, so only SNAKEMAKE="..." counts."""
    return {name: value for name, value in home.environment().items() if not name.startswith("SNAKEMAKE_")}


def _end_with_parent() -> None:
    """Ask Linux to kill this process when its parent is killed, so that no half-dead run works on unseen."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def causes(run: str, steps: dict) -> list[str]:
    """One sentence for each step that failed, and for each that did not run because of that; [] when no step began."""
    failed = {path.stem: path.read_text() for path in sorted((runs_dir(run) / "steps").glob("*.error"))}
    if not failed:
        return []
    said = []
    for notebook, step in steps.items():
        if notebook in failed:
            said.append(f"{notebook} failed: {failed.pop(notebook)}")
        elif not record.step_path(run, notebook).is_file():
            missing = [need for need in step["needs"] if not record.step_path(run, need).is_file()]
            said.append(f"{notebook} did not run" + (f", it needs {' and '.join(missing)}." if missing else "."))
    return said + [f"{step} failed: {cause}" for step, cause in failed.items()]


def last_words(log: str, lines: int = 5) -> list[str]:
    """The end of Snakemake's log, where no step told why it failed; of a full disk, on which nobody can, a sentence."""
    if failures.NO_SPACE in log or shutil.disk_usage(ROOT).free < LEAST:
        return [failures.no_space("Snakemake", failures.NO_SPACE)]
    return [
        "Snakemake ended before any step could say why; its last lines:",
        *[line for line in log.splitlines() if line.strip()][-lines:],
    ]
