"""What this process may use of the machine: memory and processors."""

import os
from contextlib import suppress
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")


def cores() -> int:
    """Processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory(proc: Path = Path("/proc")) -> int:
    """Bytes that may still be taken, by the machine and by every control group that the process is in; 0 = unknown."""
    try:
        lines = (proc / "meminfo").read_text().splitlines()
        free = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
        groups = [line.split(":", 2)[1:] for line in (proc / "self/cgroup").read_text().splitlines()]
    except (OSError, ValueError):  # not Linux
        return 0
    for controllers, name in groups:
        root = GROUPS / "memory" if "memory" in controllers.split(",") else GROUPS
        folder = root / name.strip("/")
        for group in (folder, *folder.parents):
            for limit, used, cache in (
                ("memory.max", "memory.current", "inactive_file"),
                ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),  # version 1
            ):
                with suppress(OSError, ValueError, KeyError):  # no such group, or no limit ("max")
                    stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
                    taken = int((group / used).read_text()) - int(stat[cache])
                    free.append(max(int((group / limit).read_text()) - taken, 1))
    return min(free, default=0)
