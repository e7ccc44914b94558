# SHIM
# ruff: noqa: F401
from lib.models.backbones import (
    CHANNELS,
    GROUPS,
    ConvNorm,
    EfficientNetLite0,
    InvertedResidual as Block,
    imagenet_state,
    load_imagenet,
)
