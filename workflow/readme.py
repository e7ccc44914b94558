"""Write the results block of README.md: `python -m workflow.readme [--check]`, which with --check only compares.

The block's text is reports/article/readme.md, filled like the article from the committed run `paper`.
"""

import re
import sys
from pathlib import Path

from lib.base import ROOT, UserError, write_atomically
from workflow.text.render import render

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
RUN = "paper"
SOURCE = Path("reports") / "article" / "readme.md"


def results_block(root: Path = ROOT) -> str:
    """The filled text; UserError that names the line and a file or a value which is not there."""
    return render(root / SOURCE, RUN, root=root).strip()


def with_results(readme: str, block: str) -> str:
    """The README text with `block` between its two markers."""
    if readme.count(BEGIN) != 1 or readme.count(END) != 1:
        raise UserError(f"README.md: expected the markers {BEGIN} and {END} once each; put them back.")
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    return pattern.sub(lambda _: f"{BEGIN}\n{block}\n{END}", readme)


def main(arguments: list[str]) -> None:
    path = ROOT / "README.md"
    old = path.read_text()
    new = with_results(old, results_block())
    if "--check" in arguments and new != old:
        raise UserError("README.md: its results block differs from reports/paper; run `make readme`.")
    if new != old:
        write_atomically(path, new.encode())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
