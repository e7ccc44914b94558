"""Write the results block of README.md from the committed `quick` run: `python -m workflow.readme [--check]`."""

import json
import re
import sys
from pathlib import Path

import pandas as pd

from lib.base import ROOT, UserError, write_atomically
from workflow.pandoc import compact

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
RUN = "quick"
TABLE = ("Mean absolute error of alpha: mean ± standard deviation over seeds, [95 % interval over seeds and test "
         "images]. The study does not say over which pixels it took its loss, and its images were others.")
PHOTOS = {"plain": "random", "vgg": "VGG-16 of ImageNet"}  # reports/portraits200/<name>.csv -> initial weights
PHOTOS_TEXT = """**On photographs.** The same notebooks on {images} real portraits laid out like AISegment, of which {test}
to test on, profile `gpu` with one seed: 28x28 px, the recipe's {epochs} epochs at a rate up to {lr}. The photographs are
not in this repository; tables and run records are in [reports/portraits200](reports/portraits200)."""
TRANSFER_TEXT = """**From rendered people to photographs.** `python -m lib.experiments.transfer` trains the study's network with the recipe on rendered
portraits alone ({rendered_epochs} epochs) and, beside it, on four fifths of the {photographs} photographs ({epochs} epochs), all at
{size}x{size} px with seed {seed}; errors on photographs."""
SOFT_TEXT = """**On soft alpha.** {pictures} pictures of alphamatting.com's training set at their own size, with its first trimaps
and, in the last columns, with its second, wider ones. The networks were trained on {portraits} rendered portraits of
{height} px and nothing else, by `make paper PROFILE=long SET="benchmark_dir=..."` ({width} channels in the first
block, {weights}, with augmentation, one seed); parameters and the other tables are in
[reports/alphamatting15](reports/alphamatting15)."""
FIGURES = {
    "fig_wall": "The images: rendered people, one each of up to forty groups. They do not exist.",
    "fig03_loss_curves": "Training and test loss by epoch.",
    "fig05_comparison": "The test image at the median rank of the error of the augmented network (SGD).",
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
    lines += photos_block(root / "reports" / "portraits200")
    lines += transfer_block(root / "reports" / "transfer")
    lines += soft_block(root / "reports" / "alphamatting15")
    return "\n".join(lines)


def photos_block(folder: Path) -> list[str]:
    """Lines on the runs on real portraits whose tables are kept; [] where there are none."""
    parts = []
    for name, weights in PHOTOS.items():
        if (folder / f"{name}.csv").is_file():
            frame = pd.read_csv(folder / f"{name}.csv")
            trained = frame["train all"].notna() & ~frame.method.str.startswith("study")
            kept = frame[trained | ((name == "plain") & frame.method.str.contains("border|trimap as alpha"))]
            start = pd.Series(weights, index=kept.index).where(trained[kept.index], "")
            shown = compact(kept, digits=4)[["method", "test all", "test unknown"]]
            shown.insert(1, "initial weights", start.to_numpy())
            parts.append(shown)
    if not parts:
        return []
    record = json.loads((folder / "plain.json").read_text())["steps"]["03_vgg16"]["parameters"]
    values = json.loads((folder / "values.json").read_text())
    text = PHOTOS_TEXT.format(images=values["training_images"] + values["test_images"], test=values["test_images"],
                              epochs=record["recipe_epochs"], lr=record["recipe_lr"])
    return ["", text, "", pd.concat(parts).to_markdown(index=False, disable_numparse=True)]


def transfer_block(folder: Path) -> list[str]:
    """Lines on what the rendered portraits teach about photographs, where the table is kept; else []."""
    if not (folder / "transfer.csv").is_file():
        return []
    table = pd.read_csv(folder / "transfer.csv")
    record = json.loads((folder / "transfer.json").read_text())
    own = record["parameters"]
    text = TRANSFER_TEXT.format(photographs=record["photographs"], size=own["size"], seed=own["seed"],
                                rendered_epochs=own["rendered_epochs"], epochs=own["epochs"])
    shown = compact(table.drop(columns="photographs tested on"), digits=4)
    shown = shown.rename(columns={"images": "photographs tested on"})
    return ["", text, "", shown.to_markdown(index=False, disable_numparse=True)]


def soft_block(folder: Path) -> list[str]:
    """Lines on the benchmark with true soft alpha whose tables are kept; [] where there are none."""
    if not (folder / "tab_benchmarks_folder.csv").is_file():
        return []
    benchmark, training = (json.loads((folder / name).read_text())
                           for name in ("07_benchmarks.json", "06_refinement.json"))
    text = SOFT_TEXT.format(pictures=benchmark["values"]["07_benchmarks.pictures.folder"],
                            portraits=training["values"]["06_refinement.training_images"],
                            height=training["parameters"]["full_size"], width=training["parameters"]["full_width"],
                            weights=training["values"]["06_refinement.encoder"])
    table = compact(pd.read_csv(folder / "tab_benchmarks_folder.csv"), digits=3)
    second = folder / "trimap2" / "tab_benchmarks_folder.csv"
    if second.is_file():
        wider = compact(pd.read_csv(second), digits=3).set_index("method")
        for name in [column for column in table if column.startswith(("MSE", "Grad"))]:
            table[f"{name}, wider trimaps"] = wider.loc[table.method, name].to_numpy()
    return ["", text, "", table.to_markdown(index=False, disable_numparse=True)]


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
