# SHIM
# ruff: noqa: F401
from lib.models.portrait import HybridMatting
