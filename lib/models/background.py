# SHIM
# ruff: noqa: F401
from lib.models.bgmv2 import MODES, BackgroundMatting, Base, BGMv2Output as Matte, Refiner, small
