"""`make bench`, that is `python tests/benchmarks`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import speed

if __name__ == "__main__":
    speed.main()
