"""A step ends with whoever started it, even in its first moments; a run ends when it is told to."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lib.base import ROOT

BEGAN = "import sys, time\nopen(sys.argv[1], 'w').close()\ntime.sleep(60)\n"
KILLED = (
    "import os, signal, subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-m', 'workflow.child', str(os.getpid()), *sys.argv[1:]])\n"
    "print(child.pid, flush=True)\n"
    "os.kill(os.getpid(), signal.SIGKILL)\n"
)
# A run whose Snakemake, here a script, hears nothing of the signal that the run gets.
RUNS = (
    "import signal, sys\n"
    "from pathlib import Path\n"
    "from workflow import make\n"
    "folder = Path(sys.argv[1])\n"
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # tests in a script's background inherit that it is ignored
    "sys.executable, make.GRACE, make.runs_dir = str(folder / 'snakemake'), 0.5, lambda run: folder\n"
    "make.snakemake('quick', 1)\n"
)


def lives(pid: int) -> bool:
    """Whether a process works; one that has ended and waits to be asked for its status does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_child_leaves_though_its_parent_was_killed_before_it_looked(tmp_path):
    (tmp_path / "waits.py").write_text(BEGAN)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, "waits", str(tmp_path / "began")],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )
    child, end = int(done.stdout), time.monotonic() + 30
    while lives(child):
        assert time.monotonic() < end, "left behind"
        time.sleep(0.1)


def test_a_module_runs_with_its_own_arguments_while_its_parent_lives(tmp_path):
    began = tmp_path / "began"
    (tmp_path / "waits.py").write_text(BEGAN)
    child = subprocess.Popen(
        [sys.executable, "-m", "workflow.child", str(os.getpid()), "waits", str(began)],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )
    try:
        end = time.monotonic() + 30
        while not began.exists():
            assert child.poll() is None and time.monotonic() < end
            time.sleep(0.1)
    finally:
        child.kill()
        child.wait()


def test_a_run_ends_when_it_alone_is_told_to(tmp_path):
    """`kill -INT` of the process that the sentence on a second run names once did nothing before it was sent twice."""
    script, began = tmp_path / "snakemake", tmp_path / "began"
    script.write_text(f"#!/bin/sh\necho $$ > {began}.new\nmv {began}.new {began}\nexec sleep 60\n")
    script.chmod(0o755)
    run = subprocess.Popen(
        [sys.executable, "-c", RUNS, str(tmp_path)],
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        end = time.monotonic() + 60
        while not began.exists():
            assert run.poll() is None and time.monotonic() < end
            time.sleep(0.1)
        run.send_signal(signal.SIGINT)
        assert run.wait(30) != 0 and not lives(int(began.read_text()))
    finally:
        run.kill()
        run.wait()
