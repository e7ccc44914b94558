# SHIM
from types import SimpleNamespace

from lib.models.vgg import RESIDUAL, build_study_network

UNPOOLING = ("places", "bilinear", "transposed")
NORMALISATION = ("imagenet", "centred", "none")
NETWORKS = ("study's", *RESIDUAL)
PARTS = ("network", "width", "unpooling", "skips", "four_channels", "normalisation", "decoder_kernel", "batch_norm")


def network(
    width=16,
    unpooling="places",
    skips=False,
    four_channels=False,
    normalisation="imagenet",
    decoder_kernel=5,
    batch_norm=True,
    network="study's",
):
    return build_study_network(SimpleNamespace(**locals(), pooling="halving"))
