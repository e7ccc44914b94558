"""Figures and tables: read back by other programs, the same bytes twice, nothing half-written."""

import csv
import os

import cv2
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib import pyplot as plt

from lib.output import notebook, style

TABLE = pd.DataFrame({"method": ["a_b & c", "d"], "error": [1 / 3, float("nan")], "test images": [64, 8]})


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Reports and figures go to a temporary folder."""
    monkeypatch.setattr(notebook, "reports_dir", lambda run: tmp_path / "reports" / run)
    monkeypatch.setattr(notebook, "figures_dir", lambda run: tmp_path / "figures" / run)
    return tmp_path


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def figure(size=(7.0, 2.0)):
    style.apply()
    made, axes = plt.subplots(1, 2, figsize=size)
    axes[0].plot([0, 1], [1, 3], label="α")
    axes[0].legend()
    axes[1].imshow(np.arange(4).reshape(2, 2))
    return made


def test_figure_bytes_are_the_same_twice_whatever_the_day(elsewhere, monkeypatch):
    found = []
    for day in ("1", "86400000"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", day)  # what matplotlib would write as the date of a PDF
        made = figure()
        notebook.save_figure(made, "smoke", "fig")
        plt.close(made)
        found.append(contents(elsewhere / "figures" / "smoke"))
    assert set(found[0]) == {"fig.png", "fig.pdf"} and found[0] == found[1]
    assert found[0]["fig.pdf"].startswith(b"%PDF") and b"CreationDate" not in found[0]["fig.pdf"]


def test_png_has_200_dots_an_inch(elsewhere):
    made = figure((7.0, 2.0))
    notebook.save_figure(made, "smoke", "fig")
    plt.close(made)
    assert cv2.imread(str(elsewhere / "figures" / "smoke" / "fig.png")).shape == (400, 1400, 3)


def test_show_displays_once_and_closes(monkeypatch):
    shown = []
    monkeypatch.setattr(notebook, "display", shown.append)
    made = figure()
    notebook.show(made)
    assert shown == [made] and not plt.fignum_exists(made.number)


def test_colours_stay_apart_without_colour_vision():
    """Machado, Oliveira and Fernandes (2009), full protanopia and deuteranopia: distance in CIELAB."""
    lines = [int(colour[i : i + 2], 16) / 255 for colour in style.COLOURS for i in (1, 3, 5)]
    rgb = np.array(lines, np.float32).reshape(1, -1, 3)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    protan = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    deutan = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    for matrix in (protan, deutan):
        seen = np.clip(linear @ np.array(matrix).T, 0, 1).astype(np.float32)
        lab = cv2.cvtColor(seen, cv2.COLOR_LRGB2LAB)[0]
        distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1)[np.triu_indices(len(lab), 1)]
        assert distance.min() > 5


def test_table_bytes_are_the_same_twice(elsewhere):
    found = []
    for _ in range(2):
        notebook.write_table(TABLE, "smoke", "tab", "Errors.")
        found.append(contents(elsewhere / "reports"))
    assert set(found[0]) == {"tab.csv", "tab.md", "tab.tex"} and found[0] == found[1]


def test_csv_keeps_full_precision_and_the_others_round(elsewhere):
    notebook.write_table(TABLE, "smoke", "tab", "Errors.", digits=2)
    folder = elsewhere / "reports" / "smoke" / "tables"
    rows = list(csv.DictReader((folder / "tab.csv").open()))
    assert float(rows[0]["error"]) == 1 / 3 and rows[0]["error"] == repr(1 / 3)
    assert rows[1] == {"method": "d", "error": "", "test images": "8"}
    markdown = (folder / "tab.md").read_text()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()[:4]]
    assert cells[0] == ["method", "error", "test images"]
    assert cells[2:] == [["a_b & c", "0.33", "64"], ["d", "", "8"]]
    assert markdown.endswith("\n\n*Errors.*\n")
    latex = (folder / "tab.tex").read_text()
    assert r"a\_b \& c & 0.33 & 64 \\" in latex and r"\toprule" in latex and r"\label{tab:tab}" in latex


def test_latex_caption_is_escaped(elsewhere):
    """An unescaped percent sign would comment out the rest of the line, the closing brace with it."""
    notebook.write_table(TABLE, "smoke", "tab", "A 95 % interval of `a_b` & more.")
    latex = (elsewhere / "reports" / "smoke" / "tables" / "tab.tex").read_text()
    assert r"\caption{A 95 \% interval of \texttt{a\_b} \& more.}" in latex


def test_table_is_shown_formatted(monkeypatch):
    shown = []
    monkeypatch.setattr(notebook, "display", lambda *items: shown.extend(items))
    notebook.write_table(TABLE, "smoke", "tab", "Errors of two methods.", digits=3)
    soup = BeautifulSoup(shown[0].data, "html.parser")
    rows = [[cell.text for cell in row.find_all(["th", "td"])] for row in soup.find_all("tr")]
    assert rows == [["method", "error", "test images"], ["a_b & c", "0.333", "64"], ["d", "", "8"]]
    assert "Errors of two methods." in shown[1].data


def test_a_table_that_explains_is_shown_and_not_kept(elsewhere, monkeypatch):
    shown = []
    monkeypatch.setattr(notebook, "display", lambda *items: shown.extend(items))
    notebook.show_table(TABLE, digits=1)
    assert [cell.text for cell in BeautifulSoup(shown[0].data, "html.parser").find_all("td")][:2] == ["a_b & c", "0.3"]
    assert len(shown) == 1 and contents(elsewhere) == {}


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "kept.csv"
    notebook.write_atomically(path, b"old")

    def refuse(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError):
        notebook.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"


def test_arrays_and_data_files_come_back_and_are_the_same_bytes_twice(tmp_path):
    arrays = {"index": np.arange(3), "alpha": np.zeros((3, 1, 2, 2), np.uint8)}
    for name in ("one.npz", "two.npz"):
        notebook.write_arrays(tmp_path / name, **arrays)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with np.load(tmp_path / "one.npz") as back:
        np.testing.assert_array_equal(back["index"], arrays["index"])
    notebook.write_csv(TABLE, tmp_path / "new" / "data.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "new" / "data.csv"), TABLE)
