# SHIM
# ruff: noqa: F401
from lib.models.checkpoint import MANIFEST, export, network_code, write_scores as keep_scores
