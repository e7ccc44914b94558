"""The command: files, folders and pipes in and out; each mistake one sentence, and nothing of the user's lost."""

import errno
import io
import os
import subprocess
import sys

import numpy as np
import pytest
from cutout.stub import cutter, disc, photo, png
from PIL import Image

from helpers import shipped
from lib import inference
from lib.__main__ import main
from lib.base import ROOT
from lib.cutout import command
from lib.models import checkpoint


@pytest.fixture(autouse=True)
def stub(monkeypatch, tmp_path):
    """A disc's networks in place of the shipped ones; relative names lie in a folder of the test's own."""
    monkeypatch.setattr(command.cutter, "load", lambda *_: cutter())
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> int:
    """The command's exit status."""
    try:
        main(["cutout", *map(str, arguments)])
    except SystemExit as stopped:
        return stopped.code
    return 0


def read(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def folder_of(path, *names: str):
    path.mkdir()
    for name in names:
        png(path / name, photo())
    return path


def test_a_photograph_becomes_an_rgba_png_beside_it(tmp_path, capsys):
    png(tmp_path / "a.png", photo())
    assert run("a.png") == 0 and capsys.readouterr().err == "a.png -> a-cutout.png\n"
    assert np.abs(read("a-cutout.png")[..., 3] / 255 - disc(120, 90)).max() < 0.02
    assert sorted(os.listdir()) == ["a-cutout.png", "a.png"]


def test_the_mask_a_background_and_webp(tmp_path, monkeypatch):
    png(tmp_path / "a.png", photo())
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    behind = np.full((60, 200, 3), (0, 255, 0), np.uint8)
    behind[:, :60] = behind[:, -60:] = 9  # cropped away: a picture behind is not stretched
    png(tmp_path / "behind.png", behind)
    assert run("a.png", "--mask", "-o", "mask.png") == 0 and read("mask.png").ndim == 2
    assert run("a.png", "--out=~/a.webp") == 0 and read(tmp_path / "home/a.webp").shape == (120, 90, 4)
    for name, corner in (("white", (255, 255, 255)), ("#0a0b0c", (10, 11, 12)), ("behind.png", (0, 255, 0))):
        assert run("a.png", "--background", name, "-o", "over.png") == 0
        over = read("over.png")
        assert over.shape == (120, 90, 3) and np.array_equal(over[0, 0], corner) and np.array_equal(over[0, -1], corner)
        assert np.array_equal(over[60, 45], photo()[60, 45])


def test_a_trimap_decides_what_is_looked_at_and_odd_values_are_said(tmp_path, capsys):
    png(tmp_path / "a.png", np.hstack([photo(), photo()]))
    left = np.full((120, 180), 127, np.uint8)
    left[:, 90:] = 0
    png(tmp_path / "left.png", left)
    assert run("a.png", "--trimap", "left.png") == 0
    alpha, said = read("a-cutout.png")[..., 3], capsys.readouterr().err
    assert not alpha[:, 90:].any() and alpha[60, 45] == 255
    assert "left.png: 50.0% of its pixels are not 0, 128 or 255" in said and "no pixel is foreground (255)" in said


def test_nobody_in_the_picture_is_said_and_is_no_error(tmp_path, capsys):
    png(tmp_path / "a.png", np.full((60, 300, 3), 9, np.uint8))
    assert run("a.png") == 0 and not read("a-cutout.png").any()
    said = "a.png no person was found; the matte is empty. In so long a picture people are small: crop it.\n"
    assert said in capsys.readouterr().err


MISTAKES = {
    "no such file": (("gone.png",), "gone.png: expected a picture, found no such file"),
    "not a picture": (("note.txt",), "note.txt: expected a "),
    "an ending nobody knows": (("a.png", "-o", "x.jpg"), "x.jpg: expected an ending of .png, .webp, found .jpg"),
    "no ending": (("a.png", "-o", "x"), "x: expected an ending of .png, .webp, found none"),
    "the input's own name": (("a.png", "-o", "a.png"), "a.png: expected a file of its own"),
    "the input's name by a link": (("a.png", "-o", "link.png"), "link.png: expected a file of its own"),
    "the trimap's name": (("a.png", "--trimap", "trimap.png", "-o", "trimap.png"), "trimap.png: expected a file of its own"),
    "the background's name": (("a.png", "--background", "trimap.png", "-o", "trimap.png"), "trimap.png: expected a file of its own"),
    "a background that is nothing": (("a.png", "--background", "sunset"), "--background: expected a picture's path or"),
    "mask and background": (("a.png", "--mask", "--background", "white"), "--mask: expected it without"),
    "one trimap for several": (("a.png", "a.png", "--trimap", "trimap.png"), "expected one picture, found several"),
    "several into a file": (("a.png", "note.txt", "-o", "x.png"), "x.png: expected a folder for several results"),
    "two of one name": (("a.png", "people/a.png", "-o", "out"), "a.png: expected one result there"),
    "a pipe among files": (("-", "a.png"), "-: expected one photograph for a pipe"),
    "a folder without photographs": (("empty",), "empty: expected photographs"),
    "results among the photographs": (("people", "-o", "people"), "people: expected another folder than"),
    "the same by a link": (("people", "-o", "people/../linked"), "linked: expected another folder than"),
    "an input in the results' folder": (("people/a.png", "a.png", "-o", "people", "--overwrite"), "a.png: expected a file of its own"),
    "a place that is a file": (("a.png", "-o", "note.txt/x.png"), "x.png: expected a place that can be written, found:"),
    "another size": (("a.png", "--trimap", "people/b.png"), "expected 90x120 px as the picture has"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_everything_as_it_was(case, tmp_path, capsys):
    png(tmp_path / "a.png", photo())
    png(tmp_path / "trimap.png", np.full((120, 90), 128, np.uint8))
    png(folder_of(tmp_path / "people", "a.png") / "b.png", np.zeros((9, 9), np.uint8))
    (tmp_path / "empty").mkdir()
    (tmp_path / "link.png").symlink_to("a.png")
    (tmp_path / "linked").symlink_to("people")
    (tmp_path / "note.txt").write_text("a note")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    arguments, said = MISTAKES[case]
    assert run(*arguments) == 2
    error = capsys.readouterr().err.splitlines()
    assert said in error[-1] and len(error) <= 2
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_folder_is_done_but_for_what_is_bad_and_resumed(tmp_path, capsys):
    """A name of 244 bytes once had a temporary name too long for the system, which ended all that came behind it."""
    long = "m" * 240
    folder = folder_of(tmp_path / "my.people", "a.png", "b.jpg", "b.png", f"{long}.png", ".hidden.png", "z.png")
    (folder / "bad.png").write_bytes((folder / "a.png").read_bytes()[:200])
    (folder / "notes.txt").write_text("a note")
    assert run("my.people") == 1
    said = capsys.readouterr().err
    assert "my.people: 6 of 7 files are pictures by their names." in said
    assert "bad.png: expected a readable picture" in said and said.endswith("5 done, 0 there already, 1 left out.\n")
    assert sorted(os.listdir("my.people-cutout")) == ["a.png", "b.jpg.png", "b.png.png", f"{long}.png", "z.png"]
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "my.people-cutout").iterdir()}
    os.remove("my.people-cutout/a.png")
    png(folder / "bad.png", photo())
    assert run("my.people") == 0 and capsys.readouterr().err.endswith("2 done, 4 there already, 0 left out.\n")
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items() if path.name != "a.png")
    assert run("my.people", "--overwrite") == 0 and "6 done, 0 there" in capsys.readouterr().err


def test_a_full_disk_ends_it_in_one_sentence_and_leaves_no_half_file(tmp_path, monkeypatch, capsys):
    folder_of(tmp_path / "people", "a.png", "b.png")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("lib.base.os.fsync", full)
    assert run("people") == 2
    error = capsys.readouterr().err
    assert "a.png: expected a place that can be written, found: No space left on device" in error
    assert "b.png" not in error and os.listdir("people-cutout") == []


PIPE = """import sys
sys.path.insert(0, "tests")
from cutout.stub import cutter
from lib.__main__ import main
from lib.cutout import command
command.cutter.load = lambda *_: cutter()
main(["cutout", *sys.argv[1:]])
"""


def piped(content: bytes, *arguments: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", PIPE, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, input=content, capture_output=True, **options)


def test_a_picture_goes_through_pipes(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(photo()).save(buffer, "PNG")
    done = piped(buffer.getvalue(), "-")
    assert done.returncode == 0 and done.stderr == b""
    with Image.open(io.BytesIO(done.stdout)) as out:
        assert out.format == "PNG" and np.abs(np.asarray(out)[..., 3] / 255 - disc(120, 90)).max() < 0.02
    done = piped(b"", "-")
    assert done.returncode == 2 and done.stdout == b"" and b"-: expected a " in done.stderr


def test_closed_streams_and_missing_docstrings_end_in_a_sentence_or_work(tmp_path):
    path = png(tmp_path / "a.png", photo())
    done = piped(b"", "-", "-o", tmp_path / "o.png", preexec_fn=lambda: os.close(0))
    assert done.returncode == 2 and done.stderr.startswith(b"Error: -: expected an open standard input")
    done = piped(b"", path, "-o", "-", preexec_fn=lambda: os.close(1))
    assert done.returncode == 2 and done.stderr.startswith(b"Error: -: expected a pipe for the result")
    done = piped(b"", path, "-o", "-", env=os.environ | {"PYTHONOPTIMIZE": "2"})
    assert done.returncode == 0 and done.stdout[:4] == b"\x89PNG"


def test_a_training_of_the_paper_mattes_by_pytorch(tmp_path, capsys, monkeypatch):
    monkeypatch.undo()
    folder = shipped(folder_of(tmp_path / "net"), {"system": "portrait", "trimap": True, "width": 0.25})
    image = png(tmp_path / "a.png", photo(96, 64))
    trimap = np.full((96, 64), 128, np.uint8)
    trimap[:20], trimap[-20:] = 0, 255
    known = png(tmp_path / "t.png", trimap)
    assert run(image, "--trimap", known, "--weights", folder, "--mask", "-o", tmp_path / "o.png") == 0
    expected = inference.predict_trimap(checkpoint.load_network(folder), photo(96, 64) / np.float32(255), trimap)
    assert np.abs(read(tmp_path / "o.png") - 255 * expected).max() <= 0.51
    folder = shipped(folder_of(tmp_path / "find"), {"system": "portrait", "trimap": False, "width": 0.25})
    assert run(image, "--trimap", known, "--weights", folder, "-o", tmp_path / "p.png") == 2
    assert "expected a network that takes a trimap, found one that takes none" in capsys.readouterr().err
