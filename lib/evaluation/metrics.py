# SHIM
# ruff: noqa
import numpy as np

from lib.metrics import conn as conn, grad as grad, mad as mad, mse as mse, official, sad as sad


def all_metrics(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray) -> dict[str, float]:
    return official(pred, true, trimap) | {"whole_mad": mad(pred, true), "whole_mse": mse(pred, true)}
