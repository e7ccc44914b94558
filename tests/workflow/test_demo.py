"""The page that cuts out by itself: what it holds, and in a browser without network the same alpha as lib.cutout's."""

import base64
import io
import json
import re
import time

import browser
import numpy as np
import pytest
from PIL import Image

from lib import cutout
from lib.base import ROOT, UserError
from lib.cutout.example import example
from workflow.demo import build

# Of alpha, for sums of float32 in another order; 1.4e-6 was seen.
LARGEST = 1e-4
COLOURS = 2  # levels of 255, of the colours times alpha


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page, built anew."""
    try:
        build.fetch_runtime()
    except UserError as error:
        pytest.skip(f"no ONNX Runtime for the web: {error}")
    return build.build(tmp_path_factory.mktemp("demo") / "demo.html")


@pytest.fixture(scope="module")
def opened(page, tmp_path_factory):
    """The page in a browser, its example computed."""
    if not browser.executable():
        pytest.skip(f"no browser: install one of {', '.join(browser.NAMES)} (Debian: apt install chromium)")
    with browser.Browser(tmp_path_factory.mktemp("profile")) as one:
        one.open(page)
        one.run("ready", seconds=300)
        yield one


@pytest.fixture(scope="module")
def cutter():
    return cutout.load()


def pictures():
    """Odd sides that are smaller than the network's own size, a width that takes two tiles, and one that is shrunk."""
    wide = example(2).resize((640, 853)).crop((0, 100, 640, 480)).resize((901, 333))
    return [example(1).resize((301, 397)), wide, example(1).resize((1155, 1541))]


def cut(opened, picture: Image.Image, folder) -> None:
    """Hand a picture to the page as a user would, and wait for its result."""
    picture.save(folder / "photo.png")
    opened.run("say('')")
    opened.choose_file("#file", folder / "photo.png")
    until(opened, "!busy && $('status').textContent.startsWith('Done')")


def until(opened, condition: str) -> None:
    wait = "await new Promise(done => setTimeout(done, 50))"
    opened.run(f"(async () => {{ while (!({condition})) {wait}; }})()", seconds=120)


def answer(opened, what: str, kind) -> np.ndarray:
    """An array of the page's result."""
    read = "reader.onload = () => done(reader.result); reader.readAsDataURL"
    script = f"new Promise(done => {{ const reader = new FileReader(); {read}(new Blob([{what}])); }})"
    return np.frombuffer(base64.b64decode(opened.run(script).split(",")[1]), kind)


def compare(opened, expected) -> None:
    """The page's result against lib.cutout's."""
    shape = expected.alpha.shape
    assert opened.run("$('alert').hidden"), opened.run("$('alert').textContent")
    assert opened.run("[photo.height, photo.width]") == list(shape)
    alpha = answer(opened, "result.alpha", np.float32).reshape(shape)
    difference = np.abs(alpha - expected.alpha)
    assert 0.05 < alpha.mean() < 0.95
    assert difference.max() < LARGEST
    colours = answer(opened, "result.colours", np.uint8).reshape(*shape, 3).astype(np.float32)
    seen = np.abs(colours - expected.colors) * expected.alpha[..., None]
    assert seen.max() < COLOURS, seen.max()


def test_page_is_one_file_below_its_size_that_names_no_address(page):
    text = page.read_text()
    assert len(text) < build.MOST_BYTES
    without_runtime = re.sub(r'<script type="text/plain" class="part".*?</script>', "", text)
    assert not re.search(r"https?:|\bsrc=[\"'](?!data:)|@import|url\(", without_runtime)
    assert "default-src 'none'" in without_runtime and "connect-src" not in without_runtime


def test_page_names_the_weights_that_ship(page):
    text = page.read_text()
    for name in build.NETWORKS:
        assert json.loads((ROOT / "data/weights" / name / "manifest.json").read_text())["sha256"] in text


def test_split_puts_even_bytes_first():
    assert build.split(bytes([1, 2, 3, 4, 5])) == bytes([1, 3, 5, 2, 4])


def test_another_package_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "RUNTIME", tmp_path / "other.tgz")
    build.RUNTIME.write_bytes(b"other")
    with pytest.raises(UserError, match=r"other.tgz: expected the package of sum sha512-.*remove the file"):
        build.fetch_runtime()


def test_missing_npm_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "RUNTIME", tmp_path / "none.tgz")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="npm: expected it, to fetch onnxruntime-web@.*found none; install it"):
        build.fetch_runtime()


def test_example_comes_out_as_in_python(opened, page, cutter):
    stored = re.search(r'src="data:image/webp;base64,(.*?)"', page.read_text()).group(1)
    expected = cutter.cut_out(Image.open(io.BytesIO(base64.b64decode(stored))))
    compare(opened, expected)
    assert (answer(opened, "result.trimap", np.uint8) != expected.trimap.ravel()).mean() < 1e-4


@pytest.mark.parametrize("number", [0, *(pytest.param(number, marks=pytest.mark.slow) for number in (1, 2))])
def test_other_pictures_come_out_as_in_python(opened, cutter, tmp_path, number):
    picture = pictures()[number]
    cut(opened, picture, tmp_path)
    compare(opened, cutter.cut_out(picture))


@pytest.mark.slow
def test_painted_trimap_comes_out_as_in_python(opened, cutter, tmp_path):
    picture = pictures()[0]
    cut(opened, picture, tmp_path)
    opened.run("document.querySelector('input[name=brush][value=\"0\"]').click()")
    opened.run("canvas.focus(); brush = {x: 150, y: 60}")
    for key, code in ((" ", "Space"), ("ArrowDown", "ArrowDown"), (" ", "Space")):
        opened.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=code)
    trimap = answer(opened, "result.trimap", np.uint8).reshape(397, 301)
    before = answer(opened, "found", np.uint8).reshape(397, 301)
    assert trimap[60, 150] == 0 and 300 < (trimap != before).sum() < 5000
    opened.run("again()", 120)
    compare(opened, cutter.cut_out(picture, trimap=trimap))
    opened.run("$('undo').click(); $('reset').click()")
    assert (answer(opened, "result.trimap", np.uint8).reshape(397, 301) == before).all()


def test_a_large_picture_is_shrunk_and_that_is_said(opened, tmp_path):
    opened.run("$('longest').value = 800")
    cut(opened, example(1).resize((1000, 1600)), tmp_path)
    assert opened.run("$('status').textContent").startswith("Done: 500x800 px, shrunk from 1000x1600, in ")
    opened.run("$('longest').value = 1600")


def test_saved_cut_out_is_what_was_computed(opened, tmp_path):
    cut(opened, pictures()[0], tmp_path)
    opened.call("Browser.setDownloadBehavior", "", behavior="allow", downloadPath=str(tmp_path))
    opened.run("$('save-cutout').click()")
    saved, last = tmp_path / "photo-cutout.png", time.monotonic() + 30
    while not saved.is_file() and time.monotonic() < last:
        time.sleep(0.1)
    found = np.asarray(Image.open(saved)).astype(np.float32)
    alpha = answer(opened, "result.alpha", np.float32).reshape(397, 301)
    colours = answer(opened, "result.colours", np.uint8).reshape(397, 301, 3)
    assert found.shape == (397, 301, 4) and np.abs(found[..., 3] - 255 * alpha).max() <= 0.51
    assert (np.abs(found[..., :3] - colours) * alpha[..., None]).max() < COLOURS


def test_what_is_no_picture_ends_in_a_sentence(opened, tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    opened.choose_file("#file", tmp_path / "text.jpg")
    until(opened, "!busy && !$('alert').hidden")
    assert opened.run("$('alert').textContent").startswith("text.jpg: expected a picture that this browser can show")


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("dark", [False, True])
def test_page_fits_a_phone_and_a_desktop(opened, width, dark):
    opened.look(width, 800, dark)
    assert opened.run("document.documentElement.scrollWidth") <= width


def test_each_control_has_a_name(opened):
    nodes = opened.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "radio", "slider", "combobox", "ColorWell", "link", "application"}
    controls = [node for node in nodes if node["role"]["value"] in roles and not node.get("ignored")]
    assert len(controls) > 20
    assert [node["role"]["value"] for node in controls if not node["name"]["value"].strip()] == []


def test_nothing_was_asked_of_the_network(opened, tmp_path):
    """The last on this page, after all of the above; then a page that does ask, and whose worker does, is found out."""
    assert opened.requests == []
    asks = "new Worker(URL.createObjectURL(new Blob(['fetch(`http://127.0.0.1:9/worker`)'])))"
    (tmp_path / "asks.html").write_text(f"<img src='http://127.0.0.1:9/image'><script>{asks}</script>")
    opened.open(tmp_path / "asks.html")
    opened.run("new Promise(done => setTimeout(done, 500))")
    assert sorted(opened.requests) == ["http://127.0.0.1:9/image", "http://127.0.0.1:9/worker"]


def test_altered_weights_are_refused(opened, page, tmp_path):
    text = page.read_text()
    altered = re.sub(r'(id="trimap-weights" data-sha256=)"\w+"', rf'\1"{"0" * 64}"', text)
    assert altered != text
    (tmp_path / "altered.html").write_text(altered)
    opened.open(tmp_path / "altered.html")
    opened.run("ready", seconds=120)
    assert re.match(
        "trimap-weights: its SHA-256 is not 0+; this file was altered", opened.run("$('alert').textContent")
    )
