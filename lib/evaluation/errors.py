# SHIM
# ruff: noqa
from lib.metrics import errors_by_region as alpha_errors
