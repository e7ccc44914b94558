"""Training images as batches of float tensors, on the device where the network is."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from lib.data.prepare import Prepared
from lib.data.trimap import signed_distance


def chunks(index: Sequence[int], size: int) -> list[np.ndarray]:
    """`index` in consecutive parts of `size`, the last one shorter."""
    index = np.asarray(index)
    return [index[start : start + size] for start in range(0, len(index), size)]


def batches(order: np.ndarray, batch_size: int, world: int = 1) -> list[np.ndarray]:
    """`order` cut into batches; a rest of fewer than two images a process joins the batch before it."""
    starts = list(range(0, len(order), batch_size))
    if len(starts) > 1 and len(order) - starts[-1] < 2 * world:
        starts.pop()
    return np.split(order, starts[1:])


@dataclass
class Arrays:
    """The training images as batches of float tensors on the device.

    On a GPU image, alpha and distances live there as uint8 and float16 when they take less than half of its
    free memory. Else, and on a CPU, each batch is read from the memory-mapped files, one batch ahead.
    """

    prepared: Prepared
    index: np.ndarray
    device: torch.device

    def __post_init__(self):
        height, width = self.prepared.alpha.shape[-2:]
        needed = len(self.index) * height * width * 6  # 3 + 1 bytes, and 2 for the distance
        self.table = None
        if self.device.type == "cuda" and needed < torch.cuda.mem_get_info(self.device)[0] / 2:
            self.table = self._fill()

    def _read(self, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
        images = self.index[rows]
        alpha = np.asarray(self.prepared.alpha[images])
        arrays = (np.asarray(self.prepared.image[images]), alpha, signed_distance(alpha, self.prepared.rule))
        tensors = [torch.from_numpy(array) for array in arrays]
        if self.device.type == "cuda":
            tensors = [tensor.pin_memory() for tensor in tensors]
        return tuple(tensors)

    def _fill(self) -> tuple[torch.Tensor, ...]:
        parts = chunks(np.arange(len(self.index)), 1024)
        tables = [
            torch.empty((len(self.index), *part.shape[1:]), dtype=part.dtype, device=self.device)
            for part in self._read(parts[0][:1])
        ]
        for rows in parts:
            for table, part in zip(tables, self._read(rows), strict=True):
                table[rows[0] : rows[-1] + 1] = part.to(self.device)
        return tuple(tables)

    def stream(self, shares: list[np.ndarray]) -> Iterator[tuple[torch.Tensor, tuple[torch.Tensor, ...]]]:
        """For each array of rows: (rows on the device, (image and alpha float in [0,1], distance))."""
        if self.table is not None:
            order = torch.from_numpy(np.concatenate(shares)).to(self.device)
            for rows in order.split([len(share) for share in shares]):
                yield rows, _scaled([table[rows] for table in self.table])
            return
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(self._read, shares[0])
            for share, after in zip(shares, [*shares[1:], None], strict=True):
                tensors = [tensor.to(self.device, non_blocking=True) for tensor in coming.result()]
                coming = pool.submit(self._read, after) if after is not None else None
                yield torch.from_numpy(share).to(self.device), _scaled(tensors)


def _scaled(tensors: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    image, alpha, distance = tensors
    return image.float() / 255, alpha.float() / 255, distance


def trimap_levels(trimap: torch.Tensor) -> torch.Tensor:
    """Trimap uint8 0/128/255 -> float32 0, 0.5 or 1, exactly (128 / 255 is not 0.5)."""
    return (trimap >= 128).float() * 0.5 + (trimap == 255).float() * 0.5
