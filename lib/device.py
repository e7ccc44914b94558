"""Where a network runs and in which precision. Every choice is a plain string of the notebooks."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from lib.base import UserError


@dataclass(frozen=True)
class Machine:
    """What a training or a prediction may use. It decides how fast, and the last digits; never what is learned.

    device: auto, cpu or cuda. precision: auto, fp32 or bf16. threads: of the CPU, 0 = PyTorch's own choice. workers:
    processes that cut crops beside a training.
    """

    device: str = "auto"
    precision: str = "auto"
    threads: int = 0
    workers: int = 0

    def with_workers(self, workers: int) -> "Machine":
        """The same machine with so many processes beside a training."""
        return replace(self, workers=workers)


def resolve_device(device: str = "auto") -> torch.device:
    """`auto` (the GPU when there is one), `cpu` or `cuda` (also `cuda:1`) -> torch.device.

    UserError for another name and for `cuda` on a machine without a GPU.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.split(":", maxsplit=1)[0] not in ("cpu", "cuda"):
        raise UserError(f"device: expected auto, cpu or cuda, found {device!r}; choose one of these.")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UserError("device: cuda asked for, but PyTorch finds no GPU here; use device='auto' or 'cpu'.")
    return torch.device(device)


def resolve_precision(precision: str, device: torch.device) -> str:
    """`auto`, `fp32` or `bf16` -> `fp32` or `bf16`.

    `auto` takes bf16 on a GPU that has it, and on a CPU only with AVX512-BF16 or AMX: without such
    instructions bf16 is emulated and slower than fp32.
    """
    if precision not in ("auto", "fp32", "bf16"):
        raise UserError(f"precision: expected auto, fp32 or bf16, found {precision!r}; choose one of these.")
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return "bf16" if any(getattr(torch.cpu, name, bool)() for name in probes) else "fp32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Mixed precision for `bf16`, a context that does nothing for `fp32`."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


@contextlib.contextmanager
def cpu_threads(threads: int) -> Iterator[None]:
    """PyTorch's CPU threads inside the block; 0 leaves its default (all cores, or OMP_NUM_THREADS)."""
    before = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
