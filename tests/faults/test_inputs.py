"""Every bad input ends in one clear sentence."""

import pytest
from faults import inputs

CASES = list(inputs.cases())


def test_the_corpus_is_large_and_names_each_input_once():
    assert len({(kind, name) for kind, name, _ in CASES}) == len(CASES) >= 60


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize(("kind", "name", "attempt"), CASES, ids=[f"{kind}, {name}" for kind, name, _ in CASES])
def test_a_bad_input_ends_in_a_clear_sentence(kind, name, attempt, tmp_path):
    what, words = inputs.outcome(attempt, tmp_path)
    assert what == inputs.CLEAR, words


def test_an_answer_and_a_traceback_are_told_apart_from_a_sentence(tmp_path):
    assert inputs.outcome(lambda folder: 1, tmp_path)[0] == inputs.WRONG
    assert inputs.outcome(lambda folder: 1 / 0, tmp_path)[0] == inputs.TRACEBACK
