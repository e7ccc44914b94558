# SHIM
# ruff: noqa
from lib.inference import predict_clip, predict_with_plate as matte_before_plate


def matte_clip(model, frames, *, remember=True, precision="auto"):
    return predict_clip(model, frames, recurrent=remember, precision=precision)
