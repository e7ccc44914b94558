"""README.md and reports/paper/README.md say what the committed run says; links lead to what a clone has."""

import re
import subprocess
from pathlib import PurePosixPath

import pytest

from lib.base import ROOT, UserError
from workflow import article, readme, values

outdated = pytest.mark.skipif(
    bool(values.stale(ROOT / "reports/paper")),
    reason="run `paper` is older than lib: its article is built with the next run",
)


def tracked() -> set[str]:
    """Files and folders that a clone has."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("no checkout")
    files = set(done.stdout.splitlines())
    return files | {str(parent) for name in files for parent in PurePosixPath(name).parents}


def test_results_are_those_of_the_committed_run():
    for path, text in readme.pages().items():
        assert path.read_text() == text, f"{path.name}: run `make readme`"


def test_results_are_put_between_the_markers_literally():
    text = f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter"
    assert readme.with_results(text, r"a\1b") == f"before\n{readme.BEGIN}\na\\1b\n{readme.END}\nafter"
    with pytest.raises(UserError, match="markers"):
        readme.with_results("no markers", "block")


def test_the_text_of_the_results_types_no_result():
    assert article.typed_numbers((ROOT / readme.SOURCE).read_text()) == []


@pytest.mark.parametrize(
    "page",
    ["README.md", "CONTRIBUTING.md", "docs/running.md", "docs/reliability.md", "reports/README.md",
     "reports/experiments/README.md", "reports/paper/README.md", "data/README.md", "data/weights/README.md"],
)  # fmt: skip
def test_links_lead_to_files_that_a_clone_has(page):
    there, folder = tracked(), PurePosixPath(page).parent
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", (ROOT / page).read_text()) if "://" not in link]
    assert {link for link in links if resolved(folder / link) not in there} == set()


def resolved(path: PurePosixPath) -> str:
    """The path without "..", which may not be in the working tree."""
    parts: list[str] = []
    for part in path.parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts) or "."


@outdated
def test_committed_article_links_to_what_a_clone_has():
    """Its 71 links "Made here" once led to pages that git does not keep."""
    there, folder = tracked(), PurePosixPath("reports/paper")
    links = set(
        re.findall(r'<a [^>]*href="((?!https?:|mailto:)[^"#]+)', (ROOT / "reports/paper/paper.html").read_text())
    )
    assert links and {link for link in links if resolved(folder / link) not in there} == set()


@outdated
def test_committed_pdf_carries_no_values():
    """Attached, they were more than half of its 13 MB."""
    assert (ROOT / "reports/paper/paper.pdf").stat().st_size < 6_500_000


def test_readme_names_commands_that_make_has():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in ("README.md", "CONTRIBUTING.md", "docs/running.md", "reports/README.md"):
        named = set(re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", (ROOT / page).read_text(), re.MULTILINE))
        assert {one or other for one, other in named} <= targets, page


def test_readme_and_contributing_stay_short():
    for page, most in (("README.md", 130), ("CONTRIBUTING.md", 60)):
        assert len((ROOT / page).read_text().splitlines()) <= most, page


def test_pages_of_notebooks_are_not_committed():
    pages = {name for name in tracked() if name.startswith("reports/") and name.endswith(".html")}
    assert {name.split("/")[-1] for name in pages} <= {"paper.html"}
