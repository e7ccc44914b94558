"""README.md quotes the committed run, and nothing else; its links lead to what a clone has."""

import re
import shutil
import subprocess

import pytest

from lib.base import ROOT, UserError
from workflow import article, readme
from workflow.text.render import fill
from workflow.text.source import Source


def test_results_block_is_that_of_the_committed_run():
    text = (ROOT / "README.md").read_text()
    assert readme.with_results(text, readme.results_block()) == text


def test_block_is_put_between_the_markers_literally():
    text = f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter"
    assert readme.with_results(text, r"a\1b") == f"before\n{readme.BEGIN}\na\\1b\n{readme.END}\nafter"


def test_a_missing_marker_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(UserError, match="markers"):
        readme.with_results("no markers", "block")
    source = tmp_path / readme.SOURCE
    source.parent.mkdir(parents=True)
    shutil.copy(ROOT / readme.SOURCE, source)
    with pytest.raises(UserError, match=r"reports/article/readme.md line \d+: expected reports/.*found no file"):
        readme.results_block(tmp_path)


def test_the_readmes_own_text_types_no_result():
    assert article.typed_numbers((ROOT / readme.SOURCE).read_text()) == []


def test_links_lead_to_files_that_a_clone_has():
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("no checkout")
    tracked = set(done.stdout.splitlines())
    folders = {parent.as_posix() for name in tracked for parent in (ROOT / name).relative_to(ROOT).parents}
    links = {link for link in re.findall(r"\]\(([^)#\s]+)", (ROOT / "README.md").read_text()) if "://" not in link}
    assert len(links) > 15 and links <= tracked | folders


def test_pages_of_notebooks_are_not_committed():
    done = subprocess.run(["git", "ls-files", "reports"], cwd=ROOT, capture_output=True, text=True)
    pages = {name for name in done.stdout.splitlines() if name.endswith(".html")}
    assert {name.split("/")[-1] for name in pages} <= {"paper.html"}
    wanted = ["reports/paper/01_data.html", "reports/paper/index.html", "reports/paper/paper.html"]
    ignored = subprocess.run(["git", "check-ignore", "--no-index", *wanted], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode or ignored.stdout.split() == wanted[:2]


@pytest.fixture
def kept(tmp_path):
    """A function that fills a text from two kept tables and a JSON file."""
    folder = tmp_path / "reports" / "a"
    folder.mkdir(parents=True)
    (folder / "one.csv").write_text(
        "method,use,test,test low,test high\nKNN,,0.5,0.4,0.6\nVGG,plain,0.25,,\nVGG DA,plain,0.2,,\n"
    )
    (folder / "two.csv").write_text("method,test\nVGG,0.125\nKNN,0.75\n")
    (folder / "x.json").write_text('{"values": {"a.b": 15}}')
    return lambda text: fill(Source(text, "readme.md", "r", root=tmp_path))


def rows(markdown):
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines() if "---" not in line
    ]


def test_kept_tables_are_chosen_from_and_set_one_below_the_other(kept):
    text = kept(
        "{{ grid([rows_of('a/one.csv', ['VGG', 'KNN'], add={'weights': 'random'}), "
        "rows_of('a/two.csv', digits=2, add={'weights': ''})], columns={'method': 'method', 'weights': 'w', 'test': 'error'}) }}"
    )
    assert rows(text) == [
        ["method", "w", "error"],
        ["VGG", "random", "0.250"],
        ["KNN", "random", "0.500 [0.400, 0.600]"],
        ["VGG", "", "0.12"],
        ["KNN", "", "0.75"],
    ]
    assert "nan" not in kept("{{ grid(rows_of('a/one.csv')) }}")


def test_kept_tables_are_set_side_by_side_by_their_first_cells(kept):
    text = kept(
        "{{ grid(beside(rows_of('a/one.csv', ['KNN', 'VGG']), rows_of('a/two.csv'), {'test': 'test, wider'})) }}"
    )
    assert rows(text) == [
        ["method", "use", "test", "test, wider"],
        ["KNN", "", "0.500 [0.400, 0.600]", "0.750"],
        ["VGG", "plain", "0.250", "0.125"],
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n{{ rows_of('a/gone.csv') }}", "readme.md line 2: expected reports/a/gone.csv, found no file"),
        ("{{ rows_of('a/one.csv', ['GMM']) }}", "line 1: expected rows of a/one.csv .*found GMM"),
        ("{{ grid(rows_of('a/one.csv'), ['gone']) }}", "line 1: expected columns of grid .*found gone"),
        (
            "{{ beside(rows_of('a/one.csv'), rows_of('a/two.csv'), {'test': 'x'}) }}",
            "expected rows of beside .*found VGG DA",
        ),
        ("a\n{{ kept('a/x.json')['values']['a.c'] }}", "line 2: expected placeholders.*'a.c'"),
    ],
)
def test_what_kept_tables_lack_is_named(kept, text, said):
    with pytest.raises(UserError, match=said):
        kept(text)


def test_kept_numbers_are_quoted(kept):
    assert kept("{{ kept('a/x.json')['values']['a.b'] }} pictures") == "15 pictures"
