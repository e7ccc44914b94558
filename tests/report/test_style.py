"""What all figures share."""

import dataclasses
from pathlib import Path

import matplotlib
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
