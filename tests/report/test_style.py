"""What all figures share."""

import dataclasses
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from matplotlib import font_manager

from lib.report import style


def test_a_figures_fonts_are_those_of_the_lock_whatever_the_machine_has(tmp_path):
    """A system's font of the same name, which matplotlib may find first, once changed the PDFs."""
    manager = font_manager.fontManager
    found = next(font for font in manager.ttflist if font.name == "DejaVu Sans" and font.weight == 400)
    manager.ttflist = [dataclasses.replace(found, fname=str(tmp_path / "DejaVuSans.ttf"))]
    style.apply()
    for family in ("DejaVu Sans", "STIXGeneral", "cmr10"):
        path = Path(manager.findfont(family, fallback_to_default=False))
        assert path.parent == Path(matplotlib.get_data_path(), "fonts", "ttf") and path.is_file()


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
