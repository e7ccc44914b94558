# SHIM
# ruff: noqa: F401
from lib.models.resunet import Residual, ResidualUNet
