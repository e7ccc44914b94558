"""The paper through Slurm: a cluster of one node on loopback, as ordinary processes in a folder of the test."""

import json
import os
import platform
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import small_notebook
from workflow.steps import STEPS

DAEMONS = ("munged", "slurmctld", "slurmd")
MISSING = [
    name for name in (*DAEMONS, "srun", "sbatch") if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
]
pytestmark = [
    pytest.mark.skipif(
        bool(MISSING), reason=f"Slurm is not installed ({' '.join(MISSING)}): apt install slurm-wlm munge"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="Slurm's daemons start the jobs of others, which takes root"),
]
# No control groups: not every machine that tests lets root write there. /dev/null stands for the node's one GPU.
CONFIGURATION = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={munge}/socket
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=4000 Gres=gpu:1
PartitionName=main Nodes=ALL Default=YES
"""
SLURM = (
    "--executor slurm --jobs 2 --slurm-no-account --slurm-status-command squeue --slurm-init-seconds-before-status-checks 1 "
    "--seconds-between-status-checks 1 --default-resources slurm_partition=main mem_mb=1000 runtime=10"
)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def until(condition, limit: float, what: str):
    end = time.monotonic() + limit
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {limit:.0f} s for {what}"
        time.sleep(0.3)
    return found


@pytest.fixture
def cluster():
    """The environment in which srun, sbatch and squeue speak to a cluster of its own; ended after the test."""
    # Not below pytest's folder: a socket's path has at most 107 characters, and munged wants every parent open to all.
    root = Path(
        subprocess.run(["mktemp", "-d", "/tmp/slurm.XXXXXX"], capture_output=True, text=True, check=True).stdout.strip()
    )
    munge, tools = root / "munge", root / "bin"
    for folder in (munge, tools, root / "state", root / "spool"):
        folder.mkdir()
    for folder in (root, munge):
        folder.chmod(0o755)
    (munge / "key").write_bytes(os.urandom(128))
    (munge / "key").chmod(0o600)
    host = platform.node().split(".")[0]
    configuration = root / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(host=host, ports=free_ports(2), munge=munge, root=root, cores=os.cpu_count())
    )
    (root / "gres.conf").write_text("Name=gpu Count=1 File=/dev/null\n")
    # Within a job the executor drops SLURM_CONF, as a real cluster has its configuration in /etc/slurm.
    (tools / "srun").write_text(f'#!/bin/sh\nSLURM_CONF={configuration} exec {shutil.which("srun")} "$@"\n')
    (tools / "srun").chmod(0o755)
    environment = os.environ | {"SLURM_CONF": str(configuration), "PATH": f"{tools}:{os.environ['PATH']}:/usr/sbin"}
    environment.pop("SLURM_JOB_ID", None)
    started = []

    def start(*command: str) -> None:
        """In the foreground, so that it ends as a child of ours; its words in a log of its own."""
        with open(root / f"{command[0]}.log", "wb") as log:
            started.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment))

    def told(command: str) -> str:
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, env=environment)
        return done.stdout if not done.returncode else ""

    try:
        files = [
            f"--{name.replace('_', '-')}={munge / name}" for name in ("key_file", "pid_file", "log_file", "seed_file")
        ]
        files = [part.replace(f"{munge}/key_file", f"{munge}/key") for part in files]
        start("munged", "--foreground", f"--socket={munge}/socket", *files)
        until((munge / "socket").exists, 20, "munged")
        start("slurmctld", "-D", "-i")
        start("slurmd", "-D")
        until(lambda: told("sinfo --noheader -o %t").strip() == "idle", 60, f"a node: {[*root.glob('*.log')]}")
        yield environment
        told(f"scancel --full --user={os.geteuid()}")
        until(lambda: not told("squeue --noheader --states=running,completing"), 30, "the jobs to end")
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(root, ignore_errors=True)


def test_a_run_killed_on_slurm_goes_on_there(built_paper, cluster):
    """04 of a finished paper, stale. Killed while 04 works, whose job nobody ends: it leaves as the next run takes over."""
    root = built_paper.root
    record, began = root / "runs/smoke/steps/04_augmentation.json", root / "began"
    path = root / "notebooks/04_augmentation.ipynb"
    working = json.loads(path.read_text())
    slow = f"import os, time\nPath({str(began)!r}).write_text(f'{{os.getpid()}} {{os.environ.get(\"SLURM_JOB_ID\")}}')"
    path.write_text(small_notebook("04_augmentation", f"{slow}\ntime.sleep(500)"))
    kept = [
        record.with_stem(name) for name in STEPS["05_results"].needs if name != record.stem
    ]  # 05 itself waits for 04
    others = {file: file.stat().st_mtime_ns for file in kept}
    arguments = ("--snakemake", f"{SLURM} -- {record.relative_to(root)}")
    with open(root / "first.log", "w") as log:
        command = [sys.executable, "-m", "workflow", "smoke", *arguments]
        first = subprocess.Popen(command, cwd=root, stdout=log, stderr=log, env=cluster)
    try:
        until(lambda: first.poll() is not None or began.is_file(), 300, "04 to begin on the node")
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert began.is_file(), (root / "first.log").read_text()
    kernel, job = until(lambda: began.read_text().split(), 5, "its number")
    assert job.isdigit() and Path(f"/proc/{kernel}").exists(), "a job of Slurm's lives on without who sent it"
    assert not record.exists()

    working["cells"][-1]["source"] += "\n# on the node"  # not what has run before
    path.write_text(json.dumps(working))
    done = built_paper(*arguments, env=cluster, timeout=400)
    said = (root / "runs/smoke/snakemake.log").read_text()
    assert done.returncode == 0, done.stdout + done.stderr + said[-3000:]
    assert record.is_file() and not Path(f"/proc/{kernel}").exists(), "the job of the killed run left"
    assert others == {file: file.stat().st_mtime_ns for file in others}, "what was finished was kept"
    assert said.count("has been submitted with SLURM jobid") == 2 and "gpu=1" in said
