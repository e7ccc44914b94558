# SHIM
# ruff: noqa: F401
from lib.models.vgg import POOLING, WIDTH, TwoStage, VGG16Matting, deep_image_matting
