# SHIM
# ruff: noqa
from lib.metrics import clip_errors


def dtssd(pred, true):
    return clip_errors(pred, true)["dtssd"]
