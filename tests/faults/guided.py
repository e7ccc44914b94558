"""One of fuzz.py's targets guided by coverage (atheris, libFuzzer), for `python tests/faults/fuzz.py --by atheris`, which starts
this in a process of its own: libFuzzer ends the one it works in.

Readers of files get their bytes, bent from files that are right; what takes a structure gets what hypothesis builds of the bytes.
"""

import json
import os
import sys
import time
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).resolve().parents[level]) for level in (1, 2)]

with atheris.instrument_imports(include=["lib", "workflow", "PIL"]):
    from faults import fuzz

LOOK = 100  # examples between two looks at the clock
OPTIONS = ("-timeout=300", "-rss_limit_mb=3000", "-max_len=65536", "-print_final_stats=0", "-verbosity=0")


def main() -> None:
    target, minutes, folder = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])
    corpus, result = folder / "corpus", folder / "found.json"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(fuzz.SEEDS.get(target, ())):
        (corpus / f"seed{number}").write_bytes(content)
    attempt = fuzz.TARGETS[target][1] if target in fuzz.SEEDS else fuzz.built(target)
    examples, findings = 0, {}

    def keep() -> None:
        spent = time.process_time() / 60
        part = result.with_suffix(".part")
        part.write_text(json.dumps({"minutes": round(spent, 1), "examples": examples, "findings": findings}))
        os.replace(part, result)  # whole, whenever this process ends

    def one(content: bytes) -> None:
        nonlocal examples
        examples += 1
        try:
            attempt(content)
        except Exception as error:
            findings.setdefault(fuzz.place(error), f"{' '.join(str(error).split())[:200]} {content[:100]!r}")
        if examples % LOOK == 0:
            keep()
            if time.process_time() > minutes * 60:
                os._exit(0)  # libFuzzer knows no other way to end well

    atheris.Setup([sys.argv[0], *OPTIONS, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
