# SHIM
from dataclasses import dataclass

import numpy as np
import torch

from lib.data.cache import ImageSet, batches_of, chunks, stream_batches  # noqa: F401
from lib.data.trimap import trimap_to_float as trimap_levels  # noqa: F401


def batches(order, batch_size, world=1):
    return batches_of(order, batch_size)


@dataclass
class Arrays:
    prepared: ImageSet
    index: np.ndarray
    device: torch.device

    def stream(self, shares):
        return stream_batches(self.prepared, self.index, shares, self.prepared.rule, self.device)
