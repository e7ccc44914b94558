# SHIM
# ruff: noqa
from lib.metrics import clip_errors as clip_errors, dtssd as dtssd
