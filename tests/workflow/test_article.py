"""The article: placeholders, refusals that name what is missing, tables, and byte-identical PDFs."""

import json
import re

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import typst

from lib import base
from lib.base import ROOT, UserError
from lib.report import save
from workflow import article
from workflow.steps import NOTEBOOKS
from workflow.text import cells, provided
from workflow.text.render import fill
from workflow.text.source import Source

STEPS = {
    "01_data": [],
    "02_unsupervised": [],
    "03_vgg16": [],
    "04_augmentation": ["03_vgg16"],
    "05_results": ["02_unsupervised", "03_vgg16", "04_augmentation"],
}
RECORD = {
    "steps": {
        name: {
            "needs": needs,
            "wall_seconds": 12.3,
            "peak_memory_bytes": 2**20,
            "commit": "c" * 40,
            "tree_clean": True,
            "data": "d" * 64,
            "parameters": {"epochs": 3},
        }
        for name, needs in STEPS.items()
    },
    "counts": {"images": 3},
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with one values file, one table and one figure; returns the root, with reports/r and figures/r in it."""
    folder, figures = tmp_path / "reports" / "r", tmp_path / "figures" / "r"
    monkeypatch.setattr(base, "ROOT", tmp_path)
    save.write_values(
        {"run": "r", "epochs": 3},
        "03_vgg16",
        "yes",
        {
            "loss": {"value": 0.25, "sd": 0.01, "low": 0.2, "high": 0.3},
            "change": {"value": -0.1, "low": -0.2, "high": -0.05},
            "share": 0.5,
            "nothing": None,
            "word": "Adam",
        },
    )
    path = folder / "values" / "03_vgg16.json"
    files = {"figures/r/fig03_loss_curves.png": "03-figure3", "reports/r/tables/tab02_results.csv": "03-table2"}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"files": files}))
    (folder / "tables").mkdir()
    pd.DataFrame(
        {
            "method": ["a", "b"],
            "test": [0.5, 0.25],
            "test sd": [0.1, None],
            "test low": [0.4, 0.2],
            "test high": [0.6, 0.3],
            "images": [3, 4],
        }
    ).to_csv(folder / "tables" / "tab02_results.csv", index=False)
    (folder / "tables" / "tab02_results.md").write_text("| a |\n\n*Table 2. Errors.*\n")
    (folder / "run.json").write_text(json.dumps(RECORD))
    figures.mkdir(parents=True)
    figure = plt.figure(figsize=(1, 1))
    for kind in ("png", "pdf"):
        figure.savefig(
            figures / f"fig03_loss_curves.{kind}", metadata={"CreationDate": None} if kind == "pdf" else None
        )
    plt.close(figure)
    return tmp_path


def filled(root, text: str, kind: str = "html") -> str:
    return fill(Source(text, "paper.md", "r", kind, root))


@pytest.mark.parametrize(
    ("placeholder", "text"),
    [
        ("n('03_vgg16.loss')", "0.250"),
        ("n('03_vgg16.change', '+.2f')", "−0.10"),
        ("pct('03_vgg16.share')", "50\u00a0%"),
        ("ci('03_vgg16.loss')", "0.250 (0.200 to 0.300)"),
        ("ci('03_vgg16.change', 2, True)", "−0.10 (−0.20 to −0.05)"),
        ("ci('03_vgg16.share', 1)", "0.5"),
        ("n('03_vgg16.nothing')", "not measured"),
        ("text('03_vgg16.word')", "Adam"),
        ("says('03_vgg16.change', 'falls', 'rises')", "falls"),
        ("says('03_vgg16.share', 'a', 'b', 'c')", "c"),
        ("fact('03_vgg16.loss') * 2", "0.5"),
        ("p.epochs", "3"),
        ("n('study.images', ',.0f')", "34,427"),
    ],
)
def test_numbers_come_from_the_run(run, placeholder, text):
    assert filled(run, f"It is {{{{ {placeholder} }}}}.") == f"It is {text}."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "one\n{{ n('03_vgg16.gone') }}",
            "line 2: expected the value 03_vgg16.gone, found none in reports/r/values/03_vgg16",
        ),
        ("{{ figure('fig_gone', 'x') }}", "line 1: expected figures/r/fig_gone.png, found no file"),
        ("{{ table('tab_gone') }}", "expected reports/r/tables/tab_gone.csv"),
        ("{{ table('tab02_results', columns=['method', 'x']) }}", "expected columns of tab02_results.*found x"),
        ("{{ table('tab02_results', rows=['c']) }}", "expected rows of tab02_results.*found c"),
        ("{{ ref('fig_gone') }}", "expected a figure or table that the article shows"),
        ("a\n{{ unknown }}", "paper.md line 2: expected placeholders.*'unknown' is undefined"),
        ("a\n{{ n( }}", "paper.md line 2: expected placeholders"),
    ],
)
def test_what_is_missing_is_named(run, text, said):
    with pytest.raises(UserError, match=said):
        filled(run, text)


# ------------------------------------------------------------------------ sentences that only some data make true
def conditional(root, condition: str, name: str = "change") -> str:
    """A text with one sentence on a value of run r, filled."""
    return filled(
        root,
        f"Before.\n{{% call provided('03_vgg16.{name}', {condition}) %}}\n"
        f"It falls, by {{{{ n('03_vgg16.{name}') }}}}.\n{{% endcall %}}\nAfter.\n",
    )


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("change", "below=0"),
        ("change", "below='03_vgg16.share'"),
        ("loss", "above=0.15"),
        ("loss", "covers=0.22"),
        ("share", "above=0.4"),
    ],
)
def test_a_sentence_whose_condition_holds_stands_as_written(run, name, condition):
    assert conditional(run, condition, name).startswith("Before.\nIt falls, by ")
    assert conditional(run, condition, name).endswith(".\nAfter.\n")


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("change", "above=0"),
        ("change", "below=-0.1"),
        ("change", "covers=0"),
        ("loss", "below=0.22"),
        ("share", "above='03_vgg16.loss', below=9"),
        ("nothing", "below=0"),
        ("change", "beside=0"),
    ],
)
def test_a_sentence_whose_condition_does_not_hold_ends_the_build(run, name, condition):
    with pytest.raises(UserError, match=r"paper.md line 2: expected "):
        conditional(run, condition, name)


def test_what_ends_the_build_is_the_sentence_the_value_and_the_condition(run):
    with pytest.raises(UserError) as error:
        conditional(run, "above=0")
    assert str(error.value) == (
        "paper.md line 2: expected 03_vgg16.change above 0, found −0.100 (−0.200 to −0.050), so this sentence is not true: "
        "“It falls, by −0.100.” Write it anew for this run."
    )


def test_the_text_is_for_the_run_that_it_names_with_its_profiles_parameters(run, monkeypatch):
    monkeypatch.setattr(provided, "ROOT", run)
    profile = {"parameters": {"epochs": 3}, "02_unsupervised": {"epochs": 7}}
    monkeypatch.setattr(provided.profiles, "read", lambda name: profile)
    text = "---\nwritten-for: r\n---\n"
    assert provided.is_written_for(text, "paper.md", "r") and not provided.is_written_for(text, "paper.md", "quick")
    profile["parameters"]["epochs"] = 4  # as with SET="epochs=3"
    assert not provided.is_written_for(text, "paper.md", "r")
    with pytest.raises(UserError, match="expected `written-for: <profile>` in the front matter"):
        provided.is_written_for("text", "paper.md", "r")


def test_the_papers_sentences_name_values_of_notebooks():
    text = article.SOURCE.read_text()
    conditions = re.findall(r"{% call provided\('([^']+)'", text)
    assert conditions and {name.split(".")[0] for name in conditions} <= set(NOTEBOOKS)


@pytest.mark.parametrize(
    ("content", "found"), [(None, "no file"), ("", "a broken one"), ('{"steps": {', "a broken one")]
)
def test_a_record_that_is_gone_or_cut_off_is_named(run, content, found):
    path = run / "reports" / "r" / "run.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(UserError, match=f"reports/r/run.json: expected the record of the run, found {found}"):
        filled(run, "{{ steps_table() }}")


def test_a_run_outside_of_git_says_so(run):
    path = run / "reports" / "r" / "run.json"
    path.write_text(path.read_text().replace("c" * 40, "").replace("true", "null"))
    assert "| 01_data | 12 | 1 | unknown | unknown | dddddddddddd |" in filled(run, "{{ steps_table() }}")


def test_figures_and_tables_are_numbered_in_order_and_link_to_their_cells(run):
    text = filled(
        run,
        "See {{ ref('tab02_results') }} and {{ ref('fig03_loss_curves') }}.\n\n"
        "{{ figure('fig03_loss_curves', 'Losses.') }}\n\n{{ table('tab02_results') }}",
    )
    assert "[Table\u00a01](#tab02_results)" in text and "[Figure\u00a01](#fig03_loss_curves)" in text
    assert "**Figure 1.** Losses. [Made here.](03_vgg16.html#03-figure3)" in text
    assert ": **Table 1.** Errors. [Made here.](03_vgg16.html#03-table2)" in text
    assert "| a | 0.500 ± 0.100 [0.400,\u00a00.600] | 3 |" in text and "| b | 0.250 [0.200,\u00a00.300] | 4 |" in text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The loss is 0.31.", ["line 1: 0.31"]),
        ("a\nfell by 12 %", ["line 2: 12 %"]),
        ("VGG-16 at 28 px, 95 % interval", []),
        ("{{ n('a.b', '.3f') }} and `0.5` and $x = 0.5$ [link](a/0.5.html)", []),
        ("{% if p.lr > 0.5 %}", []),
    ],
)
def test_typed_results_are_found(text, found):
    assert article.typed_numbers(text) == found


@pytest.mark.parametrize("file", [article.SOURCE, article.SHORT])
def test_the_papers_own_text_types_no_result(file):
    assert article.typed_numbers(file.read_text()) == []


@pytest.mark.parametrize("file", [article.SOURCE, article.SHORT])
def test_every_figure_and_table_of_the_text_is_cited_in_it(file):
    text = file.read_text()
    placed = re.findall(r"\{\{ (?:figure|table)\('(\w+)'", text)
    assert not set(placed) - set(re.findall(r"\bref\('(\w+)'", text))


def test_pdf_is_the_same_bytes_twice_and_html_holds_everything(run, monkeypatch):
    markdown = filled(
        run, "---\ntitle: T\nsubtitle: S\n---\n\n# A\n\nAs @xu2017 say, $\\alpha_p$.\n\n{{ table('tab02_results') }}"
    )
    first, second = article.pdf(markdown), article.pdf(markdown)
    assert first == second and first.startswith(b"%PDF")
    page = article.html(filled(run, "# A\n\n[@xu2017] {{ figure('fig03_loss_curves', 'Losses.') }}"), "r")
    assert 'src="data:image/png;base64' in page and "10.1109/CVPR.2017.41" in page and str(ROOT) not in page
    assert "<script" not in page


def test_a_cell_that_begins_like_a_list_or_a_heading_is_a_cell(monkeypatch):
    """Typst's own parser says what it found: of "+ skip connections" pandoc made an item numbered 1."""
    found = {}

    def query(source: bytes, **_) -> bytes:
        found.update({kind: json.loads(typst.query(source, kind)) for kind in ("enum", "list", "heading")})
        return b"%PDF"

    monkeypatch.setattr(article.typst, "compile", query)
    article.pdf(
        "---\ntitle: T\nsubtitle: S\n---\n\n| a | b |\n|---|---|\n| + skip | 2. |\n| - x | = y |\n| 3. z | 1 |\n"
    )
    assert found == {"enum": [], "list": [], "heading": []}


def test_an_apostrophe_behind_a_number_is_no_prime(monkeypatch):
    """Of a straight quote, which pandoc leaves to Typst, that makes a prime when it stands behind a digit."""
    found = []

    def keep(source: bytes, **_) -> bytes:
        found.append(source.decode())
        return b"%PDF"

    monkeypatch.setattr(article.typst, "compile", keep)
    article.pdf("---\ntitle: T\nsubtitle: S\n---\n\nAt VGG-16's own width, says the study's \"text\".\n")
    assert "At VGG-16’s own width, says the study’s “text”." in found[0]


def test_a_citation_without_an_entry_fails(run):
    with pytest.raises(RuntimeError, match="nobody2021"):
        article.html("# A\n\n[@nobody2021]", "r")


def test_stale_values_stop_the_build(run, monkeypatch):
    monkeypatch.setattr(article, "is_written_for", lambda *_: True)
    with pytest.raises(UserError, match=r"reports/r/values/03_vgg16\.json: expected values of the code that is here"):
        article.build("r")


def test_every_number_in_the_paper_is_one_that_some_notebook_records():
    """Names of values that the text asks for belong to a notebook of the paper or to the study."""
    names = set(re.findall(r"'((?:\d\d_\w+|study)\.[\w.]+)'", article.SOURCE.read_text()))
    assert {name.split(".")[0] for name in names} == {"study", *NOTEBOOKS}


def test_counts_with_an_empty_cell_stay_whole_and_errors_keep_their_digits():
    frame = pd.DataFrame({"steps": [4440.0, None], "seeds": [1.0, None], "error": [1.0, 0.2512]})
    shown = cells.compact(frame, 3)
    assert shown.to_dict("list") == {
        "steps": ["4440", ""], "seeds": ["1", ""], "error": ["1.000", "0.251"]
    }  # fmt: skip


def test_numbers_that_someone_chose_are_written_as_they_were_chosen():
    """A learning rate of 0.0001 once stood in the article as 0.000, an epsilon of a millionth as well."""
    frame = pd.DataFrame({"lr": [1e-4, 0.1], "eps": [1e-6, 0.01], "jitter": [0.0, 2.0], "error": [0.00012345, 0.1]})
    frame = frame.assign(**{"none": 0.0, "mean": [0.0, 0.5], "mean low": 0.0, "mean high": [0.0, 0.25]})
    assert cells.compact(frame, 3).to_dict("list") == {
        "lr": ["0.0001", "0.1"], "eps": ["1e-06", "0.01"], "jitter": ["0", "2"], "error": ["0.000", "0.100"],
        "none": ["0", "0"], "mean": ["0.000 [0.000, 0.000]", "0.500 [0.000, 0.250]"],
    }  # fmt: skip
