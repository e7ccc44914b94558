"""Run a module that ends with the process that started it: `python -m workflow.child PARENT workflow.execute 03_vgg16 --run quick`.

PARENT is that process's number. A module that watched its parent itself could do so only once all that it imports is there: a Snakemake
that was killed in these seconds would leave a step that works on unseen.
"""

import os
import runpy
import sys
import threading
import time


def end_with(parent: int) -> None:
    """Leave as soon as another process than `parent` is the one to whom this one belongs."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    parent, module = int(sys.argv.pop(1)), sys.argv.pop(1)
    end_with(parent)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
