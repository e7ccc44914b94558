"""The tables of notebook 01: what the set holds, what a trimap rule does to it, what a split shares."""

import cv2
import numpy as np
import pandas as pd

from lib.base import ROOT, UserError
from lib.data import splits, trimap
from lib.data.portraits import CAMOUFLAGE, Portraits
from lib.evaluation import difficulty


def counts_table(counts: dict[str, int], left_out: list[tuple[str, str]], prepared: int) -> pd.DataFrame:
    """What was found, used and left out, by reason, and how many images were prepared."""
    reasons = pd.Series([reason for _, reason in left_out], dtype=object).value_counts()
    uncounted = [(f"left out: {reason}", count) for reason, count in reasons.items() if reason not in counts]
    return pd.DataFrame([*counts.items(), *uncounted, ("prepared", prepared)], columns=["what", "count"])


def trimap_rules(alphas: np.ndarray, most: int = 500) -> pd.DataFrame:
    """One row a rule: mean shares of background, unknown and foreground, and pieces of unknown, an image.

    alphas (n,1,H,W) uint8; at most `most` images, evenly spaced. A piece is an 8-connected component.
    """
    chosen = np.unique(np.linspace(0, len(alphas) - 1, min(most, len(alphas))).astype(int))
    alpha = np.asarray(alphas[chosen])
    radius = trimap.default_radius(alpha.shape[-2:])
    rows = []
    for rule, (low, high) in trimap.LOW_HIGH.items():
        maps = trimap.make_trimap(alpha, radius, rule)
        pieces = [cv2.connectedComponents((one[0] == 128).astype(np.uint8))[0] - 1 for one in maps]
        rows.append(
            {
                "rule": rule,
                "background up to": low,
                "foreground from": high,
                "radius (px)": radius,
                "background (share)": (maps == 0).mean(),
                "unknown (share)": (maps == 128).mean(),
                "foreground (share)": (maps == 255).mean(),
                "pieces of unknown": float(np.mean(pieces)),
                "images": len(chosen),
            }
        )
    return pd.DataFrame(rows)


def split_sizes(groups: list[str], seed: int, test_fraction: float) -> pd.DataFrame:
    """One row a split: images and groups on each side, groups on both, and the test images whose group was
    trained on."""
    names = np.asarray(groups)
    rows = []
    for split, side in (
        ("random", lambda: splits.random_split(len(names), seed, test_fraction)),
        ("group", lambda: splits.group_split(groups, seed, test_fraction)),
    ):
        try:
            train, test = side()
        except UserError as error:  # one group only: the row says why there is no split by group
            rows.append({"split": split, "note": str(error)})
            continue
        both = set(names[train]) & set(names[test])
        rows.append(
            {
                "split": split,
                "training images": len(train),
                "test images": len(test),
                "training groups": len(set(names[train])),
                "test groups": len(set(names[test])),
                "groups on both sides": len(both),
                "test images of a group trained on": int(np.isin(names[test], sorted(both)).sum()),
            }
        )
    return pd.DataFrame(rows)


def grouping(groups: list[str]) -> str:
    """A sentence on what the groups can tell: nothing, where every image is one of its own."""
    sizes = np.unique(groups, return_counts=True)[1]
    if sizes.max() == 1:
        return (
            "No image shares a group with another (every file is a group of its own): a split by group "
            "is just another random split, and leakage can't be measured."
        )
    return f"A group holds {sizes.min()} to {sizes.max()} images, {sizes.mean():.1f} on average."


def difficulties(samples: list) -> tuple[np.ndarray, np.ndarray]:
    """Colour overlap and texture (n,) of samples (lib.data.source.Sample); see lib.evaluation.difficulty."""
    return (
        np.array([difficulty.colour_overlap(sample.image, sample.alpha) for sample in samples]),
        np.array([difficulty.texture(sample.image, sample.alpha) for sample in samples]),
    )


def tuned_portraits(seed: int, count: int = 60) -> pd.DataFrame:
    """What the two settings of the rendered portraits do to the two numbers: means over `count` pictures of 80x60."""
    rows = []
    for camouflage, texture in ((CAMOUFLAGE, 1.0), (0.0, 1.0), (1.0, 1.0), (CAMOUFLAGE, 0.0), (CAMOUFLAGE, 2.0)):
        source = Portraits(2 * count, seed, camouflage, texture)
        overlap, detail = difficulties([source.read(index, (80, 60)) for index in range(0, 2 * count, 2)])
        rows.append(
            {
                "camouflage": camouflage,
                "texture setting": texture,
                "colours shared (share)": np.nanmean(overlap),
                "texture (grey levels a pixel)": np.nanmean(detail),
                "images": count,
            }
        )
    return pd.DataFrame(rows)


def data_card() -> str:
    """data/README.md as Markdown, its headings one level of a notebook's section lower."""
    text = (ROOT / "data/README.md").read_text()
    return "\n".join("##" + line if line.startswith("#") else line for line in text.splitlines())


def render_check() -> pd.DataFrame:
    """data/check.csv, made by `make render-check` (data/render/check.py)."""
    return pd.read_csv(ROOT / "data/check.csv")
