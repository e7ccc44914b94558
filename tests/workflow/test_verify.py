"""Two runs side by side, and the verdict on published claims: drift in units of the spread between seeds."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import yaml

from lib import base
from lib.base import ROOT, UserError
from lib.report import save
from workflow import claims, run as runner, verify
from workflow.steps import Step

ENVIRONMENT = {"processor": "P", "cores": 2, "gpu": "none", "python": "3", "packages": {"torch": "2"}}


def leaf(value, sd=0.01):
    return {"value": value, "sd": sd, "low": value - 2 * sd, "high": value + 2 * sd}


@pytest.mark.parametrize(
    ("a", "b", "ratio", "moved"),
    [
        (leaf(0.1), leaf(0.1 + 0.02 * np.sqrt(2)), 2.0, False),
        (leaf(0.1), leaf(0.1 - 0.04 * np.sqrt(2)), -4.0, True),
        (leaf(0.1), leaf(0.1), 0.0, False),
        (3, 3, None, False),
        (3, 4, None, True),
        (0.1, 0.1 + 1e-9, None, False),
        ("a", "a", None, False),
        ("a", "b", None, True),
        (None, None, None, False),
        (None, 1, None, True),
        ({"value": 0.5, "low": 0.4, "high": 0.6}, 0.6, 2.0, False),
        ({"value": None}, {"value": None}, None, False),
    ],
)
def test_moved(a, b, ratio, moved):
    found = verify.moved(a, b)
    assert found[2] == (ratio if ratio is None else pytest.approx(ratio)) and bool(found[3]) is moved


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A function that writes a run's values, and claims.yaml with one claim on them."""
    monkeypatch.setattr(base, "ROOT", tmp_path)
    monkeypatch.setattr(verify, "REFERENCE", tmp_path / "reports" / "reference")
    monkeypatch.setattr(verify.provenance, "environment", lambda: ENVIRONMENT)
    listed = [
        {
            "id": "c",
            "kind": "ours",
            "claim": "It helps.",
            "rests_on": ["03_x.d"],
            "tolerance": "statistical",
            "holds_if": {"value": "03_x.d", "below": 0},
        }
    ]
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump(listed))
    read = claims.read
    monkeypatch.setattr(claims, "read", lambda: read(path))

    def write(run, difference, epochs=1, tolerance="statistical", environment=ENVIRONMENT):
        listed[0]["tolerance"] = tolerance
        path.write_text(yaml.safe_dump(listed))
        save.write_values({"run": run, "epochs": epochs}, "03_x", "yes", {"d": difference, "n": 3})
        (tmp_path / "reports" / run / "run.json").write_text(json.dumps(environment))
        return tmp_path / "reports" / run

    return write


def test_two_runs_are_compared_and_what_moved_is_listed(runs, capsys):
    a, b = runs("a", leaf(-0.1)), runs("b", leaf(-0.2), epochs=2)
    frame = verify.table({"x": leaf(-0.1), "n": 3, "old": 1}, {"x": leaf(-0.2), "n": 3, "new": 2}).set_index("value")
    assert frame.note.to_dict() == {"n": "", "new": "only now", "old": "only then", "x": "moved"}
    assert frame.loc["x", "in spreads"] == pytest.approx(-0.1 / (0.01 * np.sqrt(2)))
    verify.compare_folders(a, b)
    said = capsys.readouterr().out
    assert said.startswith("Parameters that differ: epochs 1 -> 2.") and "| 03_x.d" in said and "03_x.n" not in said
    assert said.endswith("2 values; 1 moved by more than 3 spreads, or are of one run only.\n")


def verdicts(run):
    return verify.verdicts(run, verify.reference(run), claims.read())


def test_published_claims_stand_drift_or_turn(runs):
    runs("r", leaf(-0.1))
    verify.publish("r")
    assert verdicts("r").loc[0, ["outcome", "drift", "ok"]].tolist() == ["holds", "", True]
    runs("r", leaf(-0.12))  # 1.4 spreads: seeds do that
    assert verdicts("r").ok.all()
    runs("r", leaf(-0.2))
    row = verdicts("r").iloc[0]
    assert (row.outcome, bool(row.ok)) == ("holds", False) and "-0.1 (-7.1 spreads)" in row.drift
    runs("r", leaf(0.1))
    frame = verdicts("r")
    assert frame.outcome[0] == "refuted" and frame.published[0] == "holds"
    assert "was: holds; drifted: 03_x.d by +0.2" in verify.report(frame)
    assert verify.report(frame).endswith("Differs from what is published: c.")


def test_tolerance_classes(runs):
    published, nearly = leaf(-0.1), leaf(-0.101)
    runs("r", published, tolerance="same hardware")
    verify.publish("r")
    runs("r", nearly, tolerance="same hardware")
    assert not verdicts("r").ok.any()  # the same machine must give the same number
    verify.provenance.environment = lambda: ENVIRONMENT | {"processor": "another"}
    assert verdicts("r").ok.all()  # elsewhere the spread between seeds counts
    runs("r", nearly, tolerance="exact")
    assert not verdicts("r").ok.any()
    runs("r", published, tolerance="exact")
    assert verdicts("r").ok.all()


def test_other_parameters_and_unpublished_runs_are_refused(runs):
    runs("r", leaf(-0.1))
    verify.publish("r")
    runs("r", leaf(-0.1), epochs=5)
    with pytest.raises(UserError, match="expected the published parameters, found other values of epochs"):
        verdicts("r")
    with pytest.raises(UserError, match=r"reference/other\.json: expected published values.*there are: r"):
        verify.reference("other", "another")
    (verify.REFERENCE / "r.json").write_text("{")
    with pytest.raises(UserError, match=r"reference/r\.json: expected published values, found a broken file"):
        verify.reference("r")


# ------------------------------------------------------------------------ which run, and what comes before it
@pytest.fixture
def make_verify(runs, monkeypatch):
    """A function that runs `python -m workflow.verify smoke ...`; each "run" writes one value and is noted in `made`."""
    made = []

    def bring_up_to_date(arguments):
        given = runner.settings(arguments)
        made.append(given["run"])
        runs(given["run"], leaf(given.get("lr", -0.1)))
        return 0

    monkeypatch.setattr(verify.runner, "bring_up_to_date", bring_up_to_date)
    monkeypatch.setattr(
        verify.plan, "make_plan", lambda profile, given: {"03_x": {"parameters": {"epochs": 1} | given}}
    )

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["verify", "smoke", *arguments])
        with pytest.raises(SystemExit) as ended:
            verify.main()
        return ended.value.code

    call.made = made
    return call


def test_the_run_that_is_published_is_the_one_that_was_made(make_verify):
    assert make_verify("--publish", "--set", "run=mine") == 0
    assert make_verify("--publish", "--set", "data=folder") == 0
    assert make_verify("--publish", "--data", "folder", "--set", "epochs=1") == 0
    assert make_verify.made == ["mine", "smoke-folder", "smoke-folder"]
    assert sorted(path.name for path in verify.REFERENCE.iterdir()) == ["mine.json", "smoke-folder.json"]


def test_the_run_that_is_judged_is_the_one_that_was_made(make_verify, runs, capsys):
    runs("smoke", leaf(-0.1))
    verify.publish("smoke")
    assert make_verify("--set", "run=mine") == 0  # judged by what is published of its profile
    assert make_verify.made == ["mine"] and "Run mine and the published run smoke" in capsys.readouterr().out
    runs("mine", leaf(-0.9))
    verify.publish("mine")
    assert make_verify("--set", "run=mine") == 1  # by its own, now that there is one
    assert "drifted: 03_x.d by +0.8" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "folder"], "reference/smoke-folder.json: expected published values"),
        (["--set", "epochs=9"], "run smoke: expected the published parameters, found other values of epochs"),
        (["--set", "benchmark_dir=/x/y"], "found other values of benchmark_dir"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_anything_runs(make_verify, runs, capsys, arguments, said):
    runs("smoke", leaf(-0.1))
    verify.publish("smoke")
    assert make_verify(*arguments) == 2
    assert said in capsys.readouterr().err and make_verify.made == []


def test_one_claim_is_judged_by_its_own_notebooks(make_verify, runs, monkeypatch, capsys):
    runs("smoke", leaf(-0.1))
    verify.publish("smoke")
    seen = []
    monkeypatch.setattr(verify.runner, "bring_up_to_date", lambda arguments: seen.append(arguments.notebooks) or 0)
    monkeypatch.setattr(claims, "NOTEBOOKS", ("03_x",))
    monkeypatch.setattr(claims, "STEPS", {"03_x": Step()})
    assert make_verify("--claim", "c") == 0 and seen == [["03_x"]]
    assert "holds: It helps. [c]" in capsys.readouterr().out
    assert make_verify("--claim", "cc") == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: CLAIM: expected an id of reports/claims.yaml, found 'cc'; did you mean c?"
    ]
    assert make_verify("--claim", "c", "--publish") == 2 and seen == [["03_x"]]
    assert "which takes a whole run" in capsys.readouterr().err


def test_a_claim_that_is_not_asked_for_may_have_other_parameters(make_verify, runs, monkeypatch):
    runs("smoke", leaf(-0.1))
    verify.publish("smoke")
    other = {"03_x": {"parameters": {"epochs": 1}}, "06_y": {"parameters": {"full_epochs": 9}}}
    monkeypatch.setattr(verify.plan, "make_plan", lambda profile, given: other)
    monkeypatch.setattr(claims, "NOTEBOOKS", ("03_x",))
    monkeypatch.setattr(claims, "STEPS", {"03_x": Step()})
    assert make_verify() == 2 and make_verify("--claim", "c") == 0


def test_a_reference_without_a_value_asks_to_be_published(runs):
    runs("r", leaf(-0.1))
    verify.publish("r")
    path = verify.REFERENCE / "r.json"
    path.write_text(path.read_text().replace("03_x.d", "03_x.old"))
    with pytest.raises(UserError, match=r"reference/r\.json: expected the value 03_x\.d of claim c.*make publish"):
        verdicts("r")


@pytest.mark.parametrize("name", ["a`touch x`", "a$(touch x)", "a$(shell touch x)", "a' && touch x '"])
def test_no_name_of_a_run_is_executed(name, tmp_path):
    """Neither by the shell nor by make, which expands what it puts into the environment."""
    command = ["make", "--no-print-directory", "-f", ROOT / "Makefile", "BIN=" + os.path.dirname(sys.executable)]
    done = subprocess.run(
        [*command, "--assume-old=.venv/ready", f"--include-dir={ROOT}", "compare", f"A={name}", "B=b"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode and name in done.stderr, done.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("target", ["paper", "status", "verify", "publish"])
def test_make_hands_every_option_on(target, tmp_path):
    folder = "/a b/it's `x`$(shell touch y)$y"
    done = subprocess.run(
        [
            "make",
            "--dry-run",
            "--no-print-directory",  # `make test` may be what runs this
            "--assume-old=.venv/ready",
            target,
            "PROFILE=smoke",
            "DATA=folder",
            f"DATA_DIR={folder}",
            "SET=run=mine lr=0.5 photo='/a b/`touch x`.png'",
            "SNAKEMAKE=--executor slurm",
            "CLAIM=ours-it's",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    given = subprocess.run(  # a shell's own words: in double quotes it would run what stands in backticks
        f"printf '%s\\0' {done.stdout.splitlines()[-1].removeprefix('@').removeprefix('exec ')}",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    ).stdout.split("\0")[:-1]
    assert not any(tmp_path.iterdir())
    module, parser = given[2], runner.parser("")
    for flag in ("--status", "--publish"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--claim", default="")
    found = parser.parse_args(given[3:])
    assert module == ("workflow" if target in ("paper", "status") else "workflow.verify")
    assert (found.profile, found.data, found.data_dir, found.snakemake) == (
        "smoke",
        "folder",
        folder,
        "--executor slurm",
    )
    assert runner.settings(found) == {
        "run": "mine",
        "lr": 0.5,
        "photo": "/a b/`touch x`.png",
        "data": "folder",
        "data_dir": folder,
    }
    assert (found.status, found.publish) == (target == "status", target == "publish")
    assert found.claim == ("ours-it's" if target == "verify" else "")
