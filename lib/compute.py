"""Where networks run: device, precision and threads, and what makes a training repeatable."""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from dataclasses import dataclass

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it once, when CUDA starts

import torch

from lib.base import UserError


@dataclass(frozen=True)
class Compute:
    """device: auto, cpu, cuda. precision: auto, fp32, bf16. threads: 0 = all cores. workers: processes that cut crops."""

    device: str = "auto"
    precision: str = "auto"
    threads: int = 0
    workers: int = 0


@dataclass(frozen=True)
class Runtime:
    """Compute, resolved on this machine. precision: fp32 or bf16."""

    device: torch.device
    precision: str
    workers: int = 0

    def autocast(self) -> torch.autocast:
        return autocast(self.device, self.precision)

    def config(self) -> dict[str, str]:
        """What of it a result depends on."""
        return {"device": self.device.type, "precision": self.precision, "torch": torch.__version__}


@contextlib.contextmanager
def reproducible(compute: Compute) -> Iterator[Runtime]:
    """The runtime for a training, with deterministic cuDNN and a fixed number of threads inside the block."""
    device = resolve_device(compute.device)
    if device.type == "cpu":
        keep_freed_memory()
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    # With cuBLAS (above) cuDNN is all that would vary here: torch.use_deterministic_algorithms adds only warnings.
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        with cpu_threads(compute.threads):
            yield Runtime(device, resolve_precision(compute.precision, device), compute.workers)
    finally:
        cudnn.deterministic, cudnn.benchmark = before


def resolve_device(device: str = "auto") -> torch.device:
    """`auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:1` as torch.device. UserError for anything else."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.split(":", maxsplit=1)[0] not in ("cpu", "cuda"):
        raise UserError(f"device: expected auto, cpu or cuda, found {device!r}; choose one of these.")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UserError("device: cuda asked for, but PyTorch finds no GPU here; use device='auto' or 'cpu'.")
    return torch.device(device)


def resolve_precision(precision: str, device: torch.device) -> str:
    """`auto`, `fp32` or `bf16` as `fp32` or `bf16`: auto takes bf16 where the hardware has it."""
    if precision not in ("auto", "fp32", "bf16"):
        raise UserError(f"precision: expected auto, fp32 or bf16, found {precision!r}; choose one of these.")
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # without them bf16 is emulated, and slow
    return "bf16" if any(getattr(torch.cpu, name, bool)() for name in probes) else "fp32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Mixed precision for bf16, a context that does nothing for fp32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


@contextlib.contextmanager
def cpu_threads(threads: int) -> Iterator[None]:
    """PyTorch's CPU threads inside the block; 0 keeps its default."""
    before = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for the next step, which saves a third of a step on a CPU. False elsewhere."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    mmap_max, trim_threshold, top_pad = -4, -1, -2  # numbers of malloc.h
    return bool(mallopt(mmap_max, 0) and mallopt(trim_threshold, 2**31 - 1) and mallopt(top_pad, 2**28))
