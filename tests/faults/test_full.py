"""A disk that is full at each kind of write: one clear sentence, nothing half-written, and with room again the work goes on.

On a small file system in memory, which only root may mount; elsewhere these tests skip.
"""

import errno
import os
import subprocess

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from lib import base
from lib.base import UserError, write_atomically
from lib.data.cache import prepare
from lib.data.sources import open_folder
from lib.report import save
from workflow import failures

NO_SPACE = os.strerror(errno.ENOSPC)


@pytest.fixture
def disk(tmp_path):
    """A function that mounts a file system of so many KiB, or gives it another size; its folder."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def resize(kib: int):
        options = f"size={kib}k" + (",remount" if os.path.ismount(folder) else "")
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        return folder

    yield resize
    subprocess.run(["umount", "--lazy", str(folder)], capture_output=True)


def fill(folder) -> None:
    """Leave not one block."""
    with open(folder / "ballast", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC


def rest(folder) -> set[str]:
    """What lies in the folder but for what filled it."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"ballast"}


def write_table(run):
    save.write_table(pd.DataFrame({"a": range(2000)}), run, "tab_a", "A.")


def write_figure(run):
    figure = Figure()
    figure.subplots().plot([1, 2])
    save.save_figure(figure, run, "fig_a")


def write_arrays(run):
    save.write_arrays(base.reports_dir(run) / "a.npz", a=np.random.default_rng(0).random(5000))


def write_values(run):
    save.write_values({"run": run}, "01_data", "Yes.", {"a": 1})


@pytest.mark.parametrize("write", [write_table, write_figure, write_arrays, write_values])
def test_what_a_notebook_writes_is_whole_or_not_there(disk, monkeypatch, write):
    folder = disk(256)
    monkeypatch.setattr(base, "ROOT", folder)
    for place in ("reports/r/tables", "reports/r/values", "figures/r"):
        (folder / place).mkdir(parents=True)
    fill(folder)
    with pytest.raises(OSError, match=NO_SPACE) as caught:
        write("r")
    assert failures.sentence(caught.value, "01_data").startswith("01_data: expected free disk space, found none (")
    assert rest(folder) == set()
    (folder / "ballast").unlink()
    write("r")
    assert rest(folder)


def test_prepared_images(disk, tmp_path):
    for place, shape in (("image", (64, 64, 3)), ("alpha", (64, 64))):
        (tmp_path / "set" / place).mkdir(parents=True)
        for number in range(8):
            pixels = np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / place / f"{number}.png")
    source, cache = open_folder(tmp_path / "set"), disk(100) / "cache"
    with pytest.raises(UserError, match="cache: cannot write the prepared images .No space left on device."):
        prepare(source, 64, cache=cache)
    assert all(name.endswith(".lock") for name in rest(cache))
    disk(400)
    assert len(prepare(source, 64, cache=cache)) == 8


def test_a_cut_out_picture(disk, tmp_path):
    from lib.cutout import command, cutter

    folder = disk(64)
    pixels = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    loaded = cutter.load(threads=1)
    fill(folder)
    with pytest.raises(UserError, match=f"out.png: expected a place that can be written, found: {NO_SPACE}"):
        command._write(folder / "out.png", loaded.cut_out(tmp_path / "a.png").rgba)
    assert rest(folder) == set()
    (folder / "ballast").unlink()
    command._write(folder / "out.png", loaded.cut_out(tmp_path / "a.png").rgba)
    assert rest(folder) == {"out.png"}


def test_an_older_file_stays_when_the_new_one_finds_no_room(disk):
    folder = disk(64)
    write_atomically(folder / "a", b"old")
    fill(folder)
    with pytest.raises(OSError, match=NO_SPACE):
        write_atomically(folder / "a", bytes(10_000))
    assert (folder / "a").read_bytes() == b"old" and rest(folder) == {"a"}


def test_checkpoints_and_results_of_a_training(disk):
    import torch

    from lib.training.checkpoint import RunFolder

    folder = disk(2000)
    model, config = torch.nn.Linear(300, 300), {"system": "x"}
    state = {"model": model.state_dict(), "step": 1, "history": [{"epoch": 1, "step": 1}]}
    run = RunFolder(folder / "train", config)
    run.open()
    run.save_checkpoint(state)
    fill(folder)
    for write in (lambda: run.save_checkpoint(state | {"step": 2}), lambda: run.finish(model, state["history"])):
        with pytest.raises(Exception) as caught:
            write()
        assert "expected free disk space, found none" in failures.sentence(caught.value, "03_vgg16")
    assert not run.finished()
    (folder / "ballast").unlink()
    assert RunFolder(folder / "train", config).load_checkpoint()["step"] == 1  # the last whole one
    run.finish(model, state["history"])
    assert run.finished()
