"""A run that is killed at random moments ends with the tables, values and weights of one that is not; nothing is left at work."""

import random
import signal
import subprocess
import sys

from faults import kills

PLAN = [("make", "SIGKILL"), ("Snakemake", "SIGTERM"), ("a kernel", "SIGKILL"), ("the whole group", "SIGINT")]


def test_killed_runs_go_on_to_the_same_results(tmp_path):
    wanted, duration = kills.undisturbed(kills.copy_of_the_paper(tmp_path / "undisturbed"))
    assert {"reports/smoke/tables/tab_history.csv", "runs/smoke/train/adam-seed0/model.safetensors"} < set(wanted)
    found = kills.one_round(kills.copy_of_the_paper(tmp_path / "killed"), PLAN, random.Random(0), duration, wanted)
    assert found["calls_to_resume"] and not found["differ"]
    assert found["kills"] and not any(each["orphans"] for each in found["kills"])


def test_every_signal_meets_every_target():
    plan = kills.plan_of(40, seed=0)
    assert len(plan) == 40 and len(set(plan)) == len(kills.TARGETS) * len(kills.SIGNALS)


def test_what_is_at_work_in_a_folder_is_found(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "input()"], cwd=tmp_path, stdin=subprocess.PIPE)
    assert set(kills.at_work(tmp_path.resolve())) == {process.pid}
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert kills.at_work(tmp_path.resolve()) == {}


def test_counts():
    kept = {"target": "make", "signal": "SIGKILL", "seconds": 1.0, "done": [], "orphans": []}
    rounds = [
        {"kills": [kept, kept | {"orphans": ["python"]}], "calls_to_resume": 1, "differ": []},
        {"kills": [kept], "calls_to_resume": 1, "differ": ["a.csv"]},
        {"kills": [kept], "calls_to_resume": None, "differ": []},
    ]
    assert kills.summary(rounds) == {"kills": 4, "resumed_with_the_same_results": 2, "orphans": 1}
