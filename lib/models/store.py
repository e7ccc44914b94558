# SHIM
# ruff: noqa: F401
from lib.models.checkpoint import NETWORKS, load_network as load
