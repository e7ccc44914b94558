"""Whatever ends a step is told: on the console, and in the summary of the run."""

import errno
import json
import sys

import pytest

from lib.base import UserError
from workflow import article, failures, make, record


@pytest.fixture
def run(tmp_path, monkeypatch):
    """runs/r in a folder of its own."""
    for module in (failures, make):
        monkeypatch.setattr(module, "runs_dir", lambda run: tmp_path / "runs" / run)
    monkeypatch.setattr(record, "ROOT", tmp_path)
    return tmp_path / "runs" / "r"


@pytest.mark.parametrize(("step", "module", "work"), [("article", article, "build"), ("record", record, "write")])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("Pandoc died with exitcode 83"), "{}: RuntimeError: Pandoc died with exitcode 83"),
        (KeyError("gpu"), "{}: KeyError: 'gpu'"),
        (UserError("own words."), "own words."),
        (OSError(errno.ENOSPC, "No space left on device"), "{}: expected free disk space, found none"),
    ],
)
def test_the_last_steps_tell_every_cause(run, monkeypatch, capsys, step, module, work, error, said):
    def failing(name):
        raise error

    monkeypatch.setattr(module, work, failing)
    monkeypatch.setattr(sys, "argv", ["x", "--run", "r"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 2
    assert f"[{step}] failed: {said.format(step)}" in capsys.readouterr().out
    assert f"{step} failed: {said.format(step)}" in make.causes("r", {})[0]


def test_the_summary_names_what_failed_and_what_waits_for_it(run):
    steps = {"01": {"needs": []}, "02": {"needs": ["01"]}, "03": {"needs": []}, "04": {"needs": ["02", "03"]}}
    assert make.causes("r", steps) == []  # no step has said anything
    (run / "steps").mkdir(parents=True)
    (run / "steps" / "03.json").write_text(json.dumps({}))
    (run / "steps" / "01.error").write_text("too high.")
    assert make.causes("r", steps) == [
        "01 failed: too high.",
        "02 did not run, it needs 01.",
        "04 did not run, it needs 02.",
    ]
    failures.forget("r")
    assert make.causes("r", steps) == []


def test_where_no_step_could_speak_snakemake_does():
    said = make.last_words("one\n\ntwo\nPermissionError: [Errno 13] Permission denied: '/root/.cache'\n", 2)
    assert said[-2:] == ["two", "PermissionError: [Errno 13] Permission denied: '/root/.cache'"] and len(said) == 3
