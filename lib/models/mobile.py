# SHIM
from lib.models.backbones import LiteBackbone, load_lite0

Adapted = lite0 = LiteBackbone


def start_from(encoder, weights):
    load_lite0(encoder.network, weights)
