# SHIM
from lib.compute import Compute as Machine, autocast, cpu_threads, resolve_device, resolve_precision

__all__ = ["Machine", "autocast", "cpu_threads", "resolve_device", "resolve_precision"]
