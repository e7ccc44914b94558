"""The table of reliability says what the files beside it say, and names what did not run."""

import importlib

from lib.base import ROOT, UserError

faults = importlib.import_module("faults.__main__")

ROWS = [{"kind": "picture", "name": "a", "outcome": "clear sentence", "words": ""}] * 2
KILL = {"target": "make", "signal": "SIGTERM", "seconds": 1.0, "done": [], "orphans": ["x"]}
ROUNDS = [
    {"kills": [KILL, KILL], "calls_to_resume": 1, "differ": []},
    {"kills": [KILL], "calls_to_resume": 1, "differ": ["a"]},
]


def test_counts_are_those_of_the_files():
    fuzzed = {
        "a": {"hypothesis": {"minutes": 1.5, "examples": 10, "findings": {"x": "y"}}},
        "b": {
            "hypothesis": {"minutes": 20.0, "examples": 5, "findings": {}},
            "atheris": {"minutes": 10.0, "examples": 7, "findings": {}},
        },
    }
    soaked = {"pictures": 7, "minutes": 2.0, "lost": 1, "twice": 0, "rss_mb_after_warm_up": 10.0, "rss_mb_at_end": 11.0}
    soaked |= {"mb_per_1000_pictures": 0.5}
    text = faults.page(ROWS, ROUNDS, fuzzed, soaked)
    for line in (
        "| bad inputs | 2 |",
        "| kills at random moments (of 40 asked for) | 3 |",
        "byte by byte | 2 |",
        "| orphans | 3 |",
        "| make | 0 | 3 | 0 | 0 |",
        "together | 31.5 |",
        "that were asked for | 1 |",
        "fuzzing: examples | 22 |",
        "| b | atheris | 10.0 | 7 | 0 |",
        "| fuzzing: findings that are open | 1 |",
        "| soak: pictures lost | 1 |",
        "their names and states (MB) | 0.5 |",
    ):
        assert line in text
    assert "not run yet" not in text


def test_what_did_not_run_is_named():
    text = faults.page(ROWS, [], {}, {})
    assert "kills (not run yet)" in text and "fuzzing (not run yet)" in text and "the soak (not run yet)" in text
    assert "| kills" not in text


def test_no_words_name_a_folder_of_this_machine(monkeypatch):
    def attempt(folder):
        raise UserError(f"{ROOT / 'data'}: expected {folder}, found none; look.")

    monkeypatch.setattr(faults.inputs, "cases", lambda: [("a", "b", attempt)])
    assert [row["words"] for row in faults.judge()] == ["data: expected ..., found none; look."]
