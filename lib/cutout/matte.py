# SHIM
from pathlib import Path

from lib.cutout.cutter import _trained


def load(folder, device):
    return _trained(Path(folder))
