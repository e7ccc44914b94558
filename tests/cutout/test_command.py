"""The command: files, folders, pipes and clips in and out; each mistake one sentence, and nothing of the user's lost."""

import contextlib
import errno
import gc
import io
import os
import shutil
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest
from cutout.stub import cutter, disc, photo, png
from PIL import Image

from lib.__main__ import main
from lib.base import ROOT, UserError
from lib.cutout import batch, clips, command, job


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


def alpha_of(path) -> np.ndarray:
    return read(path)[..., 3] / 255


def test_a_photograph_becomes_an_rgba_png_beside_it(tmp_path, capsys):
    png(tmp_path / "a.png", photo())
    assert run("a.png") == 0 and capsys.readouterr().err == "a.png -> a-cutout.png\n"
    assert np.abs(alpha_of("a-cutout.png") - disc(120, 90)).max() < 0.02
    assert sorted(os.listdir()) == ["a-cutout.png", "a.png"]


def test_the_mask_a_background_and_other_formats(tmp_path):
    png(tmp_path / "a.png", photo())
    png(tmp_path / "behind.png", np.full((50, 200, 3), (0, 255, 0), np.uint8))
    assert run("a.png", "--mask", "-o", "mask.png") == 0 and read("mask.png").ndim == 2
    assert run("a.png", "-o", "a.webp") == 0 and read("a.webp").shape == (120, 90, 4)
    for name, corner in (("white", (255, 255, 255)), ("#0a0b0c", (10, 11, 12)), ("behind.png", (0, 255, 0)),
                         ("blur", (20, 40, 220))):  # fmt: skip
        assert run("a.png", "--background", name, "-o", "over.png") == 0
        over = read("over.png")
        assert over.shape == (120, 90, 3) and np.abs(over[0, 0].astype(int) - corner).max() <= 2
        assert np.array_equal(over[60, 45], photo()[60, 45])
    assert run("a.png", "--background", "white", "-o", "over.jpg") == 0 and read("over.jpg").shape == (120, 90, 3)


def test_hints_by_file_and_rectangle(tmp_path):
    png(tmp_path / "a.png", np.hstack([photo(), photo()]))
    assert run("a.png", "--rectangle", "90,0,90,120") == 0
    assert not alpha_of("a-cutout.png")[:, :90].any() and alpha_of("a-cutout.png")[60, 135] == 1
    left = np.full((120, 180), 128, np.uint8)
    left[:, 90:] = 0
    png(tmp_path / "left.png", left)
    for option in ("--trimap", "--brush"):
        assert run("a.png", option, "left.png") == 0
        assert not alpha_of("a-cutout.png")[:, 90:].any() and alpha_of("a-cutout.png")[60, 45] == 1
    png(tmp_path / "mask.png", (left > 0).astype(np.uint8) * np.uint8(255))
    assert run("a.png", "--rough-mask", "mask.png") == 0 and not alpha_of("a-cutout.png")[:, 120:].any()


def test_nobody_in_the_picture_is_said_and_is_no_error(tmp_path, capsys):
    png(tmp_path / "a.png", np.full((60, 50, 3), 9, np.uint8))
    assert run("a.png") == 0 and "a.png: no person was found; the matte is empty." in capsys.readouterr().err
    assert not read("a-cutout.png").any()


MISTAKES = {
    "no such file": (("gone.png",), "gone.png: expected a picture, found no such file"),
    "not a picture": (("note.txt",), "note.txt: expected a readable picture"),
    "an ending nobody knows": (("a.png", "-o", "x.bmp"), "x.bmp: expected an ending of .png, .webp"),
    "no ending": (("a.png", "-o", "x"), "x: expected an ending of .png"),
    "jpeg without background": (("a.png", "-o", "x.jpg"), "x.jpg: expected a format with transparency"),
    "the input's own name": (("a.png", "-o", "a.png"), "a.png: expected a file of its own"),
    "the input's name by a link": (("a.png", "-o", "link.png"), "link.png: expected a file of its own"),
    "the trimap's name": (("a.png", "--trimap", "trimap.png", "-o", "trimap.png"), "trimap.png: expected a file of its own"),
    "the background's name": (("a.png", "--background", "trimap.png", "-o", "trimap.png"), "trimap.png: expected a file of its own"),
    "a background that is nothing": (("a.png", "--background", "sunset"), "background: expected blur, a picture's path or"),
    "a rectangle of three": (("a.png", "--rectangle", "1,2,3"), "--rectangle: expected X,Y,W,H"),
    "mask and background": (("a.png", "--mask", "--background", "white"), "--mask: expected it without"),
    "one trimap for several": (("a.png", "a.png", "--trimap", "trimap.png"), "expected one picture, found several"),
    "watching a file": (("a.png", "--watch"), "--watch: expected one folder"),
    "several into a file": (("a.png", "note.txt", "-o", "x.png"), "x.png: expected a folder for several results"),
    "a pipe among files": (("-", "a.png"), "-: expected a pipe alone"),
    "a place that is a file": (("a.png", "-o", "note.txt/x.png"), "x.png: expected a place that can be written, found:"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_everything_as_it_was(case, tmp_path, capsys):
    png(tmp_path / "a.png", photo())
    png(tmp_path / "trimap.png", np.full((120, 90), 128, np.uint8))
    (tmp_path / "link.png").symlink_to("a.png")
    (tmp_path / "note.txt").write_text("a note")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    arguments, said = MISTAKES[case]
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("out", ["people", ".", "link", "people/../people"])
def test_no_input_is_overwritten_by_whatever_path_its_folder_is_named(out, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "people"
    folder.mkdir()
    (folder / "link").symlink_to(folder)
    (tmp_path / "link").symlink_to(folder)
    path = png(folder / "a.png", photo())
    before = path.read_bytes()
    monkeypatch.chdir(folder if out == "." else tmp_path)
    for inputs in ([folder], [path, png(folder / "b.png", photo())]):
        assert run(*inputs, "-o", out, "--overwrite") == 2
        assert "a.png: expected a file of its own" in capsys.readouterr().err and path.read_bytes() == before


def test_a_folder_with_a_bad_file_is_done_but_for_it_and_resumed(tmp_path, capsys):
    folder = tmp_path / "people"
    folder.mkdir()
    for name in ("a.png", "b.jpg", "c.webp"):
        png(folder / name, photo())
    (folder / "bad.png").write_bytes((folder / "a.png").read_bytes()[:200])
    (folder / "notes.txt").write_text("a note")
    assert run("people") == 1
    said = capsys.readouterr().err
    assert "1 files are no pictures by their names and were left: notes.txt." in said
    assert "bad.png: left out: expected a readable picture" in said
    assert said.endswith("3 done; 1 bad and left out: bad.png.\n")
    assert sorted(os.listdir("people-cutout")) == ["a.png", "b.png", "c.webp"]
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "people-cutout").iterdir()}
    os.remove("people-cutout/a.png")
    png(folder / "bad.png", photo())
    assert run("people") == 0
    assert capsys.readouterr().err.endswith(
        "2 done; 2 skipped, as their results are there (--overwrite makes them anew).\n"
    )
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items() if path.name != "a.png")
    assert run("people", "--overwrite") == 0 and capsys.readouterr().err.endswith("4 done.\n")


def test_names_that_differ_by_ending_alone_keep_it(tmp_path):
    for name in ("a.png", "a.jpg"):
        png(tmp_path / name, photo())
    assert run("a.png", "a.jpg", "-o", "out") == 0
    assert sorted(os.listdir("out")) == ["a.jpg.png", "a.png.png"]


def test_a_full_disk_ends_it_in_one_sentence_and_leaves_no_half_file(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "people"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        png(folder / name, photo())

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("lib.base.os.fsync", full)
    assert run("people") == 2
    error = capsys.readouterr().err
    assert (
        "a.png: expected a place that can be written, found: No space left on device" in error and "b.png" not in error
    )
    assert os.listdir("people-cutout") == []


def test_thousands_of_results_are_named_in_little_time(tmp_path):
    """A watched folder is looked through every second; comparing each name with all others took minutes."""
    sources = [tmp_path / f"{number}.png" for number in range(20_000)] + [tmp_path / "1.jpg"]
    start = time.process_time()
    named = dict(batch.targets(sources, tmp_path / "out"))
    assert time.process_time() - start < 5
    assert named[sources[-1]].name == "1.jpg.png" and named[sources[1]].name == "1.png.png"
    assert named[sources[2]].name == "2.png"


def test_a_watched_folder_is_done_as_it_fills_and_not_while_a_file_grows(tmp_path, capsys):
    folder, rounds = tmp_path / "in", []
    folder.mkdir()
    whole = png(tmp_path / "a.png", photo()).read_bytes()

    def wait():
        rounds.append((tmp_path / "out" / "a.png").exists())
        if len(rounds) == 5:
            raise KeyboardInterrupt
        if len(rounds) <= 2:  # half of it, then all
            (folder / "a.png").write_bytes(whole[: len(whole) * len(rounds) // 2])

    work = batch.Batch(lambda source, target: command.do(cutter(), source, target, command.Wish()))
    work.watch(folder, tmp_path / "out", wait)
    assert rounds == [False, False, False, True, True] and (work.done, work.skipped, work.bad) == (1, 0, [])


def test_a_watched_folder_of_thousands_takes_little_memory_and_what_left_takes_none(tmp_path, monkeypatch):
    """Two numbers and a name for each file: 20,000 of them once took 40 MB, and files that had left stayed."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    for number in range(3000):
        (folder / f"{number:06d}.png").touch()
    held = []

    def wait():
        gc.collect()
        ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, batch.__file__)])
        held.append(sum(line.size for line in ours.statistics("filename")))
        if len(held) == 3:
            shutil.rmtree(folder)
            folder.mkdir()
        if len(held) == 5:
            raise KeyboardInterrupt

    work = batch.Batch(lambda source, target: [])
    monkeypatch.setattr(batch, "say", lambda sentence: None)
    tracemalloc.start()
    try:
        work.watch(folder, out, wait)
    finally:
        tracemalloc.stop()
    assert work.done == 3000
    assert max(held) / 3000 < 500 and held[-1] < 0.1 * max(held)


def test_a_watched_folder_names_results_as_a_folder_does(tmp_path):
    """Two pictures that differ by their ending keep it, whichever came first; a link to itself is no file; new content is done."""
    folder, done = tmp_path / "in", []
    folder.mkdir()
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "clip.png").mkdir()
    for name in ("a.png", "a.JPG", "b.gif", ".hidden.png", "notes.txt"):
        (folder / name).write_text("1")

    def do(source, target):
        done.append((source.name, target.name))
        return []

    rounds = []

    def wait():
        rounds.append(0)
        if len(rounds) == 3:
            (folder / "b.gif").write_text("22")
        if len(rounds) == 6:
            raise KeyboardInterrupt

    with contextlib.redirect_stderr(io.StringIO()):
        batch.Batch(do, overwrite=True).watch(folder, tmp_path / "out", wait)
    assert done == [("a.JPG", "a.JPG.png"), ("a.png", "a.png.png"), ("b.gif", "b.webp"), ("b.gif", "b.webp")]


def test_a_watched_folder_that_goes_away_ends_in_a_sentence(tmp_path):
    with pytest.raises(UserError, match="gone: expected a readable folder, found: No such file or directory"):
        batch.Batch(lambda source, target: []).watch(tmp_path / "gone", tmp_path / "out")


def animation(path, size: tuple[int, int] = (60, 48)) -> None:
    frames = [Image.fromarray(np.roll(photo(*size), shift, axis=1)) for shift in (0, 6, 12)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[100, 200, 300], lossless=True)


@pytest.mark.parametrize("name", ["clip.webp", "clip.gif", "clip.png"])
def test_an_animation_is_done_picture_by_picture_with_its_durations(tmp_path, name):
    animation(tmp_path / name)
    assert run(name, "-o", "out.webp") == 0
    with Image.open("out.webp") as out:
        assert out.n_frames == 3
        for place, duration in enumerate((100, 200, 300)):
            out.seek(place)
            out.load()
            assert out.mode == "RGBA" and out.info["duration"] == duration
            found = np.asarray(out)[..., 3] / 255
            assert np.abs(found - np.roll(disc(60, 48), 6 * place, axis=1)).mean() < 0.03
    assert run(name, "-o", "frames") == 0 and sorted(os.listdir("frames")) == [f"frame-0000{n}.png" for n in (1, 2, 3)]
    assert run(name) == 0  # by the name of its own: a clip stays one
    with Image.open("clip-cutout.png" if name == "clip.png" else "clip-cutout.webp") as out:
        assert out.n_frames == 3


def test_a_sequence_replaces_nothing_but_a_sequence(tmp_path):
    pictures = [(Image.fromarray(photo()), 100)] * 2
    clips.png_sequence(pictures, tmp_path / "clip")
    clips.png_sequence(pictures[:1], tmp_path / "clip")
    assert [path.name for path in (tmp_path / "clip").iterdir()] == ["frame-00001.png"]
    for name in ("frame-holiday.png", "notes.txt"):
        mine = tmp_path / "clip" / name
        mine.write_text("mine")
        with pytest.raises(UserError, match=f"clip: expected no folder there or .* found {name} in it"):
            clips.png_sequence(pictures, tmp_path / "clip")
        assert mine.read_text() == "mine" and read(tmp_path / "clip/frame-00001.png").shape == (120, 90, 3)
        mine.unlink()


def test_a_film_is_read_by_opencv(tmp_path, capsys, monkeypatch):
    cv2 = pytest.importorskip("cv2")
    film = cv2.VideoWriter(str(tmp_path / "film.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (96, 128))
    for shift in (0, 8):
        film.write(np.ascontiguousarray(np.roll(photo(128, 96), shift, axis=1)[..., ::-1]))
    film.release()
    assert run("film.mp4") == 0
    with Image.open("film-cutout.webp") as out:
        assert out.n_frames == 2 and out.size == (96, 128)
        out.load()
        assert out.info["duration"] == 100 and np.abs(np.asarray(out)[..., 3] / 255 - disc(128, 96)).mean() < 0.05
    capsys.readouterr()
    with monkeypatch.context() as little:
        little.setattr(job, "most_pixels", lambda: 100)
        assert run("film.mp4") == 2 and "film.mp4: expected at most 0 megapixels" in capsys.readouterr().err
    (tmp_path / "bad.mp4").write_bytes(b"not a film")
    capsys.readouterr()
    assert run("bad.mp4") == 2 and "bad.mp4: expected a readable film" in capsys.readouterr().err


def test_a_colour_profile_on_reading_is_srgb_on_writing(tmp_path):
    from cutout.test_cutter import swapped_profile

    png(tmp_path / "a.png", photo()[..., ::-1].copy(), icc_profile=swapped_profile())
    assert run("a.png") == 0
    with Image.open("a-cutout.png") as out:
        assert "sRGB".encode("utf-16-be") in out.info["icc_profile"]


PIPE = """import sys
import time
sys.path.insert(0, "tests")
from cutout.stub import cutter
from lib.__main__ import main
from lib.cutout import command
command.cutter.load = lambda *_: cutter()
main(["cutout", *sys.argv[1:]])
"""


def test_a_picture_goes_through_pipes(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(photo()).save(buffer, "PNG")

    def piped(content: bytes, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-c", PIPE, *arguments], cwd=ROOT, input=content, capture_output=True)

    done = piped(buffer.getvalue(), "-")
    assert done.returncode == 0 and done.stderr == b""
    with Image.open(io.BytesIO(done.stdout)) as out:
        assert out.format == "PNG" and np.abs(np.asarray(out)[..., 3] / 255 - disc(120, 90)).max() < 0.02
    done = piped(b"", "-")
    assert done.returncode == 2 and done.stdout == b"" and b"-: expected a readable picture" in done.stderr
    path = png(tmp_path / "a.png", photo())
    assert piped(b"", str(path), "-o", "-").stdout[:4] == b"\x89PNG"
