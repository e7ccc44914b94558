# SHIM
# ruff: noqa: F401
from lib.models.vgg import load_vgg_weights as load_encoder
