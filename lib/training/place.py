"""Where a training runs: device, precision, its share of the work under torchrun, and what makes it repeatable."""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it once, when CUDA starts

import torch
import torch.distributed as dist

from lib.device import Machine, autocast, cpu_threads, resolve_device, resolve_precision


@dataclass(frozen=True)
class Place:
    """device; precision: fp32 or bf16; rank and world: number of this process, and of all; workers: that cut crops."""

    device: torch.device
    precision: str
    rank: int = 0
    world: int = 1
    workers: int = 0

    def autocast(self) -> torch.autocast:
        """Mixed precision where it is bf16, a context that does nothing where it is not."""
        return autocast(self.device, self.precision)

    def config(self) -> dict:
        """What of it a result depends on."""
        return {
            "device": self.device.type,
            "precision": self.precision,
            "processes": self.world,
            "torch": torch.__version__,
        }


@contextlib.contextmanager
def place(machine: Machine) -> Iterator[Place]:
    """The place of this process on a machine: all of it, or its share when torchrun started it."""
    with (
        _processes(resolve_device(machine.device)) as (device, rank, world),
        cpu_threads(machine.threads),
        deterministic(),
    ):
        if device.type == "cpu":
            keep_memory()
        yield Place(device, resolve_precision(machine.precision, device), rank, world, machine.workers)


def keep_memory() -> bool:
    """Have the C library keep the memory that a step gives back for the step after it; whether it does so.

    A step on a CPU takes and gives back maps of many MB each. glibc asks the kernel for each of them anew, which fills
    them with zeros: a third of a step's time. Elsewhere (macOS, musl) nothing happens.
    """
    mmap_max, trim_threshold, top_pad = -4, -1, -2  # numbers of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(mmap_max, 0) and mallopt(trim_threshold, 2**31 - 1) and mallopt(top_pad, 2**28))


@contextlib.contextmanager
def deterministic() -> Iterator[None]:
    """cuDNN's deterministic convolutions inside the block, the caller's choice after it.

    With cuBLAS (see the top) they are all that would vary here. torch.use_deterministic_algorithms would add
    nothing but warnings about the poolings, which vary only where windows overlap.
    """
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before


@contextlib.contextmanager
def _processes(device: torch.device) -> Iterator[tuple[torch.device, int, int]]:
    """(device, rank, number of processes)."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:  # torchrun's own mark
        yield device, 0, 1
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    outermost = not dist.is_initialized()
    if outermost:  # two hours: the others wait while the first prepares the data
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timedelta(hours=2))
    try:
        yield device, dist.get_rank(), dist.get_world_size()
    finally:
        if outermost:
            dist.destroy_process_group()


def wait() -> None:
    """Until every process of torchrun is here; nothing in a single process."""
    if dist.is_available() and dist.is_initialized():
        dist.barrier()
