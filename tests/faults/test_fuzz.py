"""Readers and checks against bent input, a little of it on every run (`python tests/faults/fuzz.py` takes its time)."""

import pytest
from faults import fuzz

from lib.base import UserError


@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_bent_input_ends_in_what_was_promised_or_in_a_clear_sentence(target):
    fuzz.check(target, examples=60)


def test_what_is_neither_is_a_finding(monkeypatch):
    def attempt(content):
        fuzz.clear(lambda: 1 / len(content))

    monkeypatch.setitem(fuzz.TARGETS, "broken", (fuzz.st.binary(max_size=3), attempt))
    with pytest.raises(ZeroDivisionError):
        fuzz.check("broken", examples=60)
    found = fuzz.fuzz("broken", minutes=0.001)
    assert found["examples"] >= 1 and [name.split()[0] for name in found["findings"]] == ["ZeroDivisionError"]


def test_a_sentence_of_two_lines_is_none():
    def attempt():
        raise UserError("a: expected one line,\nfound two; join them.")

    with pytest.raises(AssertionError, match="no clear sentence"):
        fuzz.clear(attempt)


def test_turns_add_up_and_findings_are_those_of_the_last():
    first = {"minutes": 1.0, "examples": 5, "findings": {"a": "b"}, "batches": 2}
    last = {"minutes": 2.0, "examples": 6, "findings": {}, "batches": 4}
    assert fuzz.add(first, last) == {"minutes": 3.0, "examples": 11, "findings": {}, "batches": 4}


def test_bytes_build_the_input_of_a_target(monkeypatch):
    """What libFuzzer hands over becomes an input of the strategy, and what that raises comes through."""
    seen = []
    monkeypatch.setitem(fuzz.TARGETS, "seen", (fuzz.st.integers(0, 9), seen.append))
    one = fuzz.built("seen")
    for content in (bytes(64), b"\xff" * 64):
        one(content)
    assert seen and all(0 <= number <= 9 for number in seen)
    monkeypatch.setitem(fuzz.TARGETS, "broken", (fuzz.st.integers(), lambda number: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        fuzz.built("broken")(bytes(64))


def test_a_process_that_dies_is_a_finding(monkeypatch, tmp_path):
    (tmp_path / "guided.py").write_text("import sys\nsys.exit('boom')\n")
    monkeypatch.setattr(fuzz, "__file__", str(tmp_path / "fuzz.py"))
    assert fuzz.guided("pictures", 0.1)["findings"] == {"ended with 1": "boom"}


def test_atheris_finds_what_it_is_shown(tmp_path):
    pytest.importorskip("atheris", reason="pip install atheris==3.0.0")
    found = fuzz.guided("settings", 0.05)
    assert found["examples"] > 10 and not found["findings"]
