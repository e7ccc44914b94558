"""README.md quotes the committed quick run, and nothing else."""

import pytest

from lib import readme
from lib.errors import UserError
from lib.paths import ROOT


def test_results_block_is_that_of_the_committed_quick_run():
    text = (ROOT / "README.md").read_text()
    assert readme.with_results(text, readme.results_block()) == text


def test_block_is_put_between_the_markers_literally():
    text = f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter"
    assert readme.with_results(text, r"a\1b") == f"before\n{readme.BEGIN}\na\\1b\n{readme.END}\nafter"


def test_missing_marker_and_missing_run_are_named(tmp_path):
    with pytest.raises(UserError, match="markers"):
        readme.with_results("no markers", "block")
    with pytest.raises(UserError, match="tab02_results.md.*make paper"):
        readme.results_block(tmp_path)
