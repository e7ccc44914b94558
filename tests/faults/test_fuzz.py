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
