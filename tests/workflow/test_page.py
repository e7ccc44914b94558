"""The page that answers back, in a browser without network: its numbers, claims, pictures and search against Python's own."""

import base64
import io
import json
import re
import shutil

import axe
import browser
import matplotlib.pyplot as plt
import numpy as np
import pytest

from lib import base, scores
from lib.base import ROOT, UserError
from lib.report import save
from workflow import article, claims, values
from workflow.page import arguments, build, files, numbers, pictures
from workflow.text.render import fill
from workflow.text.source import Source

ERRORS = "05_results.test_all.kmeans", "05_results.minus_all.sgd_minus_trimap", "03_vgg16.minus_all.sgd_minus_trimap"
TEXT = """---
title: A page
lang: en
---

# Numbers

The study has {{ n('study.images', ',.0f') }} images; K-means errs by {{ ci('05_results.test_all.kmeans') }} and again
{{ n('05_results.test_all.kmeans') }}, the network by {{ ci('05_results.minus_all.sgd_minus_trimap', sign=True) }} more, or
{{ ci('03_vgg16.minus_all.sgd_minus_trimap') }}; the correlation is {{ ci('02_unsupervised.rho.k_means.texture') }}.

{{ figure('fig_pictures', 'A picture and its alpha.') }}

{{ figure('fig_steps', 'Error against steps.') }}

# Claims

{{ claims_table() }}

{{ ours_table() }}
"""


def with_errors(folder) -> None:
    """Errors behind the means of a run's values, drawn so that each mean is as it was; means and intervals follow them.

    What claims name and the committed run does not have yet, since their notebook is newer, is made up first.
    """
    random = np.random.default_rng(0)
    there = claims.of_run(folder)
    for name in sorted({name for claim in claims.with_condition() for name in claims.names(claim)} - set(there)):
        path = folder / "values" / f"{name.split('.')[0]}.json"
        fresh = {"answer": "", "code": "", "commit": "", "parameters": {}, "values": {}}
        content = json.loads(path.read_text()) if path.is_file() else fresh
        leaf = {"value": 0.1, "sd": None, "low": 0.05, "high": 0.15, "seeds": 1, "n": 30}
        content["values"][name] = 30 if name.endswith(("people", "images")) else leaf
        path.write_text(json.dumps(content))
    for path in sorted((folder / "values").glob("*.json")):
        content = json.loads(path.read_text())
        content["samples"] = {}
        if (
            "03_vgg16.by_step.steps.sgd.last" in content["values"]
        ):  # a run below the scale of its claims, for a choice to change
            content["values"]["03_vgg16.by_step.steps.sgd.last"] = 400
        for name, leaf in content["values"].items():
            if not isinstance(leaf, dict) or leaf.get("low") is None or leaf.get("n", 1) < 2 or ".gap." in name:
                continue
            leaf["n"] = min(leaf["n"], 60)  # thousands of test images would take the tests minutes
            errors = random.normal(0, (leaf["high"] - leaf["low"]) * np.sqrt(leaf["n"]) / 4, (leaf["seeds"], leaf["n"]))
            errors = (errors - errors.mean() + leaf["value"]).astype(np.float32)
            errors[:, -1] = np.nan if name == ERRORS[0] else errors[:, -1]  # an image without unknown pixels
            content["samples"][name] = scores.encode_errors(errors)
            mean, low, high = scores.bootstrap_interval(errors, 0)
            leaf |= {"value": mean, "low": low, "high": high}
        content["files"] = {f"reports/r/values/{path.name}": f"{path.stem[:2]}-values"}
        path.write_text(json.dumps(content))


def draw() -> None:
    """Two figures, as a notebook saves them."""
    figure, axes = plt.subplots(1, 2, figsize=(3, 2), layout="constrained")
    for axis, title, shade in zip(axes, ("picture", "alpha"), (0.2, 0.9), strict=True):
        axis.imshow(np.full((4, 3), shade), cmap="gray", vmin=0, vmax=1)
        axis.set(title=title, xticks=[], yticks=[])
    save.save_figure(figure, "r", "fig_pictures")
    plt.close(figure)
    figure, axis = plt.subplots(figsize=(3, 2), layout="constrained")
    axis.plot([30, 60, 240], [0.4, 0.3, 0.1], "s-", label="SGD")
    axis.set(xscale="log", xlabel="steps", ylabel="error", ylim=(0, None))
    save.save_figure(figure, "r", "fig_steps")
    plt.close(figure)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A page's text on a copy of the committed run, with errors and two figures."""
    root = tmp_path_factory.mktemp("page")
    report = root / "reports" / "r"
    shutil.copytree(ROOT / "reports" / "paper" / "values", report / "values")
    with_errors(report)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(base, "ROOT", root)
        draw()
    return Source(TEXT, "page.md", "r", "page", root)


@pytest.fixture(scope="module")
def plain(source):
    """The article's HTML without what answers."""
    return article.html(fill(source), "r")


@pytest.fixture(scope="module")
def page(plain, source):
    return build.answering(plain, source)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    if not browser.executable():
        pytest.skip(f"no browser: install one of {', '.join(browser.NAMES)} (Debian: apt install chromium)")
    with browser.Browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.fixture
def opened(chromium, page, tmp_path):
    """The page, opened anew, as wide as a desktop."""
    chromium.look(1200, 800)
    return visit(chromium, page, tmp_path)


def visit(chromium, page: str, folder):
    (folder / "paper.html").write_text(page)
    chromium.open(folder / "paper.html")
    return chromium


def data_of(page: str) -> dict:
    return json.loads(re.search(r'id="run-data">(.*?)</script>', page, re.S)[1])


def key(opened, name: str, text: str = "") -> None:
    codes = {"Enter": 13, "Escape": 27, "ArrowRight": 39}
    for kind in ("keyDown", "keyUp"):
        opened.call(
            "Input.dispatchKeyEvent", type=kind, key=name, code=name, text=text, windowsVirtualKeyCode=codes[name]
        )


# --------------------------------------------------------------------------------------------------------- what it holds
def test_without_scripts_the_page_is_the_article(plain, page):
    """What answers is added in two places, and takes nothing away."""
    without = re.sub(r'<script type="application/json" id="run-data">.*</script>\n(?=</body>)', "", page, flags=re.S)
    without = re.sub(r'<meta http-equiv="Content-Security-Policy".*?</style>\n(?=</head>)', "", without, flags=re.S)
    assert without == plain and "<script" not in plain


def test_page_forbids_itself_every_connection_and_loads_nothing(page):
    assert "default-src 'none'" in page and "connect-src" not in page
    script = page[page.index('<script type="application/json"') :]
    assert not re.search(
        r"\bimport\b\s*[({\"']|fetch\(|XMLHttpRequest|WebSocket", "".join(p.read_text() for p in files())
    )
    assert script.count("<script") == 2 and script.count("</script>") == 2


def test_numbers_know_their_notebook_its_cell_and_its_commit(page, source):
    data = data_of(page)
    assert set(data["numbers"]) == set(re.findall(r"'((?:\d\d|study)[^']*)'", TEXT)) == set(numbers.quoted(page))
    assert data["notebooks"]["05_results"]["cell"] == "05-values"
    assert data["notebooks"]["05_results"]["commit"] == values.commits(source.report)["05_results"]
    leaf = data["numbers"]["05_results.test_all.kmeans"]
    assert data["samples"][leaf["sample"]] == values.samples(source.report)["05_results.test_all.kmeans"]
    assert "sample" not in data["numbers"]["study.images"]


def test_text_that_would_end_a_script_does_not(source):
    assert "</script" not in build._json({"a": "</script><script>"})


# ------------------------------------------------------------------------------------------- numbers that audit themselves
@pytest.mark.parametrize(("seeds", "images"), [(1, 40), (3, 25), (2, 200), (2, 5000)])
def test_the_pages_bootstrap_is_that_of_stats(opened, seeds, images):
    random = np.random.default_rng(images)
    errors = random.exponential(0.2, (seeds, images)) + random.normal(0, 0.02, (seeds, 1))
    errors[0, 3] = errors[:, 5] = np.nan
    text = scores.encode_errors(errors)
    half = text.startswith(scores.HALF)
    floats, draws = f"floatsOf(bytesOf('{text}'), {str(half).lower()})", 2000 if half else 20000
    found = opened.run(
        f"(({{mean, low, high}}) => [mean, low, high])(bootstrapInterval({floats}, {seeds}, 7, 0.9, {draws}))"
    )
    mean, low, high = scores.bootstrap_interval(errors.astype(np.float32), 1, draws, 0.9)
    assert found[0] == pytest.approx(mean, rel=2e-5 if half else 1e-6)
    # The 5 % quantile of 20,000 draws has a standard error of about 0.015 standard deviations; two of them are compared.
    sd = (high - low) / 3.29
    assert found[1:] == pytest.approx([low, high], abs=5 * 0.015 * np.sqrt(2 * 20000 / draws) * sd)


def test_quantiles_are_numpys(opened):
    sorted_values = np.sort(np.random.default_rng(1).random(11))
    for share in (0, 0.025, 0.5, 0.77, 1):
        found = opened.run(f"quantile({sorted_values.tolist()}, {share})")
        assert found == pytest.approx(np.quantile(sorted_values, share))


@pytest.mark.parametrize(("end", "change"), [(None, 0), ("value", 0.01), ("low", -0.05), ("high", 0.05)])
def test_a_value_that_is_not_that_of_its_errors_is_found_out(opened, end, change):
    if end:
        opened.run(f"data.numbers['{ERRORS[0]}'].{end} += {change}")
    state = opened.run(f"audited(data.numbers['{ERRORS[0]}'], data.samples).state")
    assert state == ("wrong" if end else "right")


def test_a_number_is_opened_and_left_by_the_keyboard(opened):
    opened.run(f"numberElements('{ERRORS[0]}')[0].focus()")
    key(opened, "Enter", "\r")
    panel = opened.run("document.getElementById('number-panel').innerText")
    for said in (ERRORS[0], "95 % interval", "60", "notebook 05_results", "come out again"):
        assert said in panel
    link = opened.run("document.querySelector('#number-panel a').getAttribute('href')")
    assert link == "05_results.html#05-values"
    assert opened.run("document.querySelectorAll('#number-panel circle.dot').length") == 59
    first = opened.run("document.querySelector('#number-panel p:not([class])').textContent")
    opened.run("[...document.querySelectorAll('#number-panel button')].at(-1).click()")
    assert opened.run("document.querySelector('#number-panel p:not([class])').textContent") != first
    opened.run("document.querySelector('#number-panel .close').focus()")
    key(opened, "Escape")
    assert opened.run("document.getElementById('number-panel').hidden")
    assert opened.run("document.activeElement.dataset.value") == ERRORS[0]


# ------------------------------------------------------------------------------------------ claims that one can argue with
def test_the_page_looks_up_the_outcome_of_every_choice(opened, page, source):
    """Each row of the table for chosen levels, seeds and scales, against the claims judged by intervals of lib's own bootstrap."""
    known = claims.of_run(source.report)
    samples_of = values.samples(source.report)
    seen = set()
    for level, words, scale in (("0.95", "", True), ("0.8", "number 2 alone", False), ("0.99", "", False)):
        chosen = json.dumps({"level": level, "seeds": words, "scale": scale})
        script = f"data.arguments.claims.map(claim => claim.variants.map(one => rowOf(one, data.arguments, {chosen})))"
        rows = opened.run(script)
        for claim, variants in zip(claims.with_condition(), rows, strict=True):
            for variant, (_, _, outcome) in zip(arguments.variants(claim, known), variants, strict=True):
                name, at = variant["holds_if"]["value"], dict(known)
                if name in samples_of and isinstance(known[name], dict) and (level != "0.95" or words):
                    errors = scores.decode_errors(samples_of[name], known[name]["seeds"])
                    alone = errors[[1]] if words and len(errors) > 1 else errors
                    mean, low, high = scores.bootstrap_interval(alone, 0, level=float(level))
                    at[name] = known[name] | {"value": mean, "low": low, "high": high}
                if not any(bound in samples_of for bound in arguments.bounds(variant)):
                    assert outcome == claims.judge(variant if scale else variant | {"scale": {}}, at), claim["id"]
                seen.add(outcome)
    assert seen >= {"holds", "refuted", "not shown", "not tested at this scale", "a slip"}


def test_the_first_variant_is_the_claim_as_written(source):
    known = claims.of_run(source.report)
    for claim in claims.with_condition():
        first, *others = arguments.variants(claim, known)
        assert first["holds_if"] == claim["holds_if"] and first["claim"] == claim["claim"]
        assert first["scale"] == claim.get("scale", {})
        assert all(one["claim"] != claim["claim"] and one["holds_if"]["value"] in known for one in others)


def test_sentences_follow_region_and_optimiser(source):
    found = {
        (one["region"], one["optimiser"]): one
        for one in arguments.variants(claims.one("ours-trimap")[0], claims.of_run(source.report))
    }
    assert len(found) == 9
    assert found["unknown", "adam"]["claim"] == (
        "After the study's ten epochs (Adam) the network errs less over the unknown pixels than its own trimap input, "
        "returned as alpha."
    )
    assert found["all", "recipe"]["scale"]["steps"]["has"] == "03_vgg16.by_step.steps.recipe.last"


def test_choices_change_rows_and_the_way_back_restores_them(opened):
    row = "[...document.querySelectorAll('#tab_ours tbody tr')][0].innerText"
    before = opened.run(row)
    choose = "(at, value) => {{ const one = document.querySelectorAll('.argue')[1].querySelectorAll('select')[at]; one.value = value; one.dispatchEvent(new Event('change')); }}"
    choose = f"({choose.replace('{{', '{').replace('}}', '}')})"
    opened.run(f"{choose}(0, 'unknown')")
    opened.run("document.querySelectorAll('.argue')[1].querySelector('input').click()")
    after = opened.run(row)
    assert "errs less over the unknown pixels" in after and "holds" in after
    assert opened.run("document.querySelector('#tab_ours tbody tr').className").endswith("other")
    assert " outcomes differ" in opened.run("document.querySelectorAll('.argue .said')[1].textContent")
    opened.run(f"{choose}(0, '')")
    opened.run("document.querySelectorAll('.argue')[1].querySelector('input').click()")
    assert opened.run(row) == before


# ------------------------------------------------------------------------------------------------------ pictures and steps
def test_pictures_of_one_size_can_be_compared_and_named():
    box = [0.1, 0.1, 0.3, 0.8]
    one, two = (
        {"kind": "picture", "side": side, "title": "", "box": [x, *box[1:]]} for side, x in (("a", 0.1), ("", 0.5))
    )
    assert pictures.comparable([one]) == []
    assert [each["name"] for each in pictures.comparable([one, two])] == ["a: picture (1)", "a: picture (2)"]
    assert pictures.comparable([one, two | {"box": [0.5, 0.1, 0.3, 0.4]}]) == []


def test_the_slider_cuts_the_left_picture_where_it_stands(opened):
    opened.run("document.querySelector('#fig_pictures details').open = true")
    opened.run("new Promise(done => setTimeout(done, 100))")
    opened.run("document.querySelector('#fig_pictures .comparison > input').focus()")
    key(opened, "ArrowRight")
    assert opened.run("document.querySelector('.front').style.clipPath") == "inset(0px 49% 0px 0px)"
    assert (
        opened.run("document.querySelector('#fig_pictures .comparison > input').getAttribute('aria-valuetext')")
        == "51 % picture"
    )
    # Left of the edge the first picture's grey, right of it the second's.
    box = opened.run(
        "(({x, y, width, height}) => ({x, y, width, height}))(document.querySelector('.comparison .stage').getBoundingClientRect())"
    )
    opened.run("scrollTo(0, 0)")
    shot = opened.call(
        "Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=box_on_page(opened, box)
    )
    image = plt.imread(io.BytesIO(base64.b64decode(shot["data"])))[..., 0]
    height, width = image.shape
    assert image[height // 2, width // 4] == pytest.approx(0.2, abs=0.02)
    assert image[height // 2, 3 * width // 4] == pytest.approx(0.9, abs=0.02)


def box_on_page(opened, box: dict) -> dict:
    """The stage's box from the top of the page, which is scrolled to its top."""
    top = opened.run("document.querySelector('.comparison .stage').getBoundingClientRect().y")
    return {**box, "y": top, "scale": 1}


# ----------------------------------------------------------------------------------------------------------------- search
def test_search_finds_the_cell_that_says_it_and_leads_there(opened):
    opened.run(
        "(field => { field.value = 'Save.Write_Values 05_results'; field.dispatchEvent(new Event('input')); })(document.querySelector('input[type=search]'))"
    )
    assert "05_results.html#05-values" in opened.run(
        "[...document.querySelectorAll('.found a')].map(a => a.getAttribute('href'))"
    )
    opened.run(
        "(field => { field.value = 'nobody writes this'; field.dispatchEvent(new Event('input')); })(document.querySelector('input[type=search]'))"
    )
    assert opened.run("document.querySelectorAll('.found a').length") == 0


def test_cells_of_all_notebooks_are_carried(page):
    cells = data_of(page)["cells"]
    assert {one[0] for one in cells} == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert len({(notebook, cell) for notebook, cell, _ in cells}) == len(cells)


# ------------------------------------------------------------------------------------------------------------- for everyone
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1200])
def test_page_fits_its_window_and_axe_finds_nothing(opened, width, dark):
    try:
        source = axe.script()
    except UserError as error:
        pytest.skip(f"no axe-core: {error}")
    opened.look(width, 800, dark)
    opened.run("numberElements()[1].click()")
    opened.run("document.querySelector('#fig_pictures details').open = true")
    opened.run("new Promise(done => setTimeout(done, 100))")
    assert opened.run("document.documentElement.scrollWidth") <= width
    assert axe.findings(opened, source) == []


def test_on_a_phone_a_chart_keeps_a_readable_size(opened):
    """Nine points of a figure seven inches wide are nine pixels at 34rem; the page itself doesn't scroll sideways."""
    opened.look(390, 800)
    width, box, page = opened.run(
        "[document.querySelector('#fig_steps img').getBoundingClientRect().width, "
        "document.querySelector('#fig_steps .chart').clientWidth, document.documentElement.scrollWidth]"
    )
    assert width >= 540 and box < 390 and page <= 390
    assert opened.run("document.querySelector('#fig_pictures img').getBoundingClientRect().width") < 390


def test_on_a_phone_a_table_keeps_readable_columns_and_its_caption_in_sight(opened):
    opened.look(390, 800)
    boxes = "Array.from(document.querySelectorAll('{}'), one => one.getBoundingClientRect())"
    captions = opened.run(boxes.format("div.table caption") + ".map(box => box.right)")
    firsts = opened.run(boxes.format("div.table td:first-child") + ".map(box => box.width)")
    assert captions and max(captions) <= 390
    assert min(firsts) >= 100  # two or three words a line


def test_axe_does_find_what_is_wrong(opened):
    try:
        source = axe.script()
    except UserError as error:
        pytest.skip(f"no axe-core: {error}")
    opened.run("document.querySelector('img').replaceWith(document.createElement('img'))")
    assert any(one.startswith("image-alt") for one in axe.findings(opened, source))


def test_figures_say_what_they_show(page):
    found = re.findall(r'alt="([^"]*)"', page)
    assert found == ["2 pictures: picture, alpha.", "Chart: error against steps. SGD from 0.4 at 30 to 0.1 at 240."]


def test_nothing_was_asked_of_the_network(opened):
    """The last, after all of the above."""
    assert opened.requests == []
