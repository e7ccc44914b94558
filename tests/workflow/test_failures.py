"""Whatever ends a step is printed, and named in the summary of the run."""

import errno
import sys

import pytest

from lib.base import UserError
from workflow import failures, record, run as runner


@pytest.fixture
def run(root, monkeypatch):
    """runs/r in a folder of its own."""
    monkeypatch.setattr(record, "ROOT", root)
    return root / "runs" / "r"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("gpu"), "article: KeyError: 'gpu'"),
        (UserError("own words."), "own words."),
        (OSError(errno.ENOSPC, "No space left on device"), "article: expected free disk space, found none"),
    ],
)
def test_a_step_that_fails_names_its_cause(run, monkeypatch, capsys, error, said):
    def failing(name):
        raise error

    monkeypatch.setattr(sys, "argv", ["x", "--run", "r"])
    with pytest.raises(SystemExit) as ended:
        record.finish("", "article", failing)
    assert ended.value.code == 2
    assert f"[article] failed: {said}" in capsys.readouterr().out
    assert f"article failed: {said}" in runner.causes("r", {"article": {"needs": {}, "key": "k"}})[0]


def test_the_summary_names_what_failed_and_what_waits_for_it(run):
    steps = {"01": {"needs": []}, "02": {"needs": ["01"]}, "03": {"needs": []}, "04": {"needs": ["02", "03"]}}
    steps = {name: step | {"key": "k"} for name, step in steps.items()}
    assert runner.causes("r", steps) == []  # no step has said anything
    (run / "steps").mkdir(parents=True)
    (run / "steps" / "03.k.json").write_text("{}")
    (run / "steps" / "01.error").write_text("too high.")
    assert runner.causes("r", steps) == [
        "01 failed: too high.",
        "02 did not run, it needs 01.",
        "04 did not run, it needs 02.",
    ]
    failures.forget("r")
    assert runner.causes("r", steps) == []


def test_where_no_step_could_speak_snakemake_does():
    said = runner.last_words("one\n\ntwo\nPermissionError: [Errno 13] Permission denied: '/root/.cache'\n", 2)
    assert said[-2:] == ["two", "PermissionError: [Errno 13] Permission denied: '/root/.cache'"] and len(said) == 3
