"""Write the results block of README.md from the committed `quick` run: `python -m lib.readme [--check]`."""

import re
import sys
from pathlib import Path

import pandas as pd

from lib.article_text import compact
from lib.errors import UserError
from lib.files import write_atomically
from lib.paths import ROOT

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
RUN = "quick"
TABLE = ("Mean absolute error of alpha: mean ± standard deviation over seeds, [95 % interval over seeds and test images]. "
         "The study does not say over which pixels it took its loss, and its images were others.")
FIGURES = {
    "fig03_loss_curves": "Figure 3. Training and test loss by epoch.",
    "fig05_comparison": "Figure 5. The test image at the median rank of the error.",
}


def results_block(root: Path = ROOT) -> str:
    """Markdown of the abstract, the main table and two figures of run `quick`; UserError if a file is missing."""
    report = root / "reports" / RUN
    _read(report / "tables" / "tab02_results.csv")
    table = compact(pd.read_csv(report / "tables" / "tab02_results.csv"), digits=3)
    lines = [_read(report / "abstract.md").strip(), "", table.to_markdown(index=False, disable_numparse=True), "",
             f"*{TABLE}*"]
    for name, caption in FIGURES.items():
        lines += ["", f"![{caption}](figures/{RUN}/{name}.png)", "", f"*{caption}*"]
    return "\n".join(lines)


def _read(path: Path) -> str:
    if not path.is_file():
        raise UserError(f"{path.name}: expected from `make paper PROFILE={RUN}`, found no file; run that first.")
    return path.read_text()


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
        raise UserError("README.md: its results block differs from reports/quick; run `make readme`.")
    if new != old:
        write_atomically(path, new.encode())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
