"""What makes a picture hard, by design: every method on the same people and places at all settings of two dials.

A frame of scores here has two columns more than lib.evaluation.scores has, camouflage and detail (lib.data.dials), and its
images are people: where a person stands in several places, the places are averaged, so that intervals are over people.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from torch import nn

from lib import baselines
from lib.compute import Compute
from lib.data.dials import cells, dialled
from lib.data.prepare import Prepared
from lib.data.source import Sample
from lib.data.trimap import default_radius, make_trimap
from lib.evaluation import difficulty, scores, stats
from lib.evaluation.systems import Still, judge_stills
from lib.inference import predict

Scene = tuple[str, Sample]
SHOWN = {  # of lib.baselines.all_alphas
    "kmeans_border": "K-means, border",
    "gmm_border": "GMM, border",
    "kmeans_trimap": "K-means, trimap",
    "grabcut_trimap": "GrabCut, trimap",
}
CONTROL = "control: trimap as alpha"
KEYS = ["method", "seed", "image", "measure"]
DIALS = ["camouflage", "detail"]
EFFECTS = ("similar colours", "complex texture", "both beyond their sum")


def turn(scenes: Sequence[Scene], setting: tuple[float, float]) -> list[Scene]:
    """All scenes with the dials at a setting; each has a texture of its own, the same at every setting."""
    return [(person, dialled(sample, *setting, seed)) for seed, (person, sample) in enumerate(scenes)]


def thumbnails(scenes: Sequence[Scene], rule: str = "tolerant") -> Prepared:
    """Scenes of one small size as a prepared set, with its usual trimaps; keys are their numbers, groups the people."""
    image, alpha = (np.stack([getattr(sample, layer) for _, sample in scenes]) for layer in ("image", "alpha"))
    image, alpha = np.ascontiguousarray(image.transpose(0, 3, 1, 2)), alpha[:, None]
    trimap = make_trimap(alpha, default_radius(alpha.shape[-2:]), rule)
    keys, people = [str(number) for number in range(len(scenes))], [person for person, _ in scenes]
    return Prepared(image, alpha, trimap, None, None, keys, people, {}, [], "", rule)


def score_thumbnails(
    scenes: Sequence[Scene],
    models: Mapping[str, nn.Module],
    seed: int,
    machine: Compute = Compute(),
    rule: str = "tolerant",
) -> pd.DataFrame:
    """Errors by region at every setting, of clustering, GrabCut and networks of the study's size (method -> model)."""
    prepared = thumbnails([(person, one) for setting in cells() for person, one in turn(scenes, setting)], rule)
    solved = baselines.all_alphas(prepared.image, prepared.alpha, prepared.trimap, seed=seed)
    alphas = {name: solved[key] / np.float32(255) for key, name in SHOWN.items()}
    alphas |= {name: predict(model, prepared, range(len(prepared)), machine) for name, model in models.items()}
    alphas[CONTROL] = baselines.trimap_as_alpha(prepared.trimap)
    found = []
    for number, one in enumerate(cells()):
        rows = slice(number * len(scenes), (number + 1) * len(scenes))
        true, trimap, people = prepared.alpha[rows], prepared.trimap[rows], prepared.groups[rows]
        for method, alpha in alphas.items():
            found.append(_by_person(scores.by_region(method, 0, people, alpha[rows], true, trimap), one))
    return pd.concat(found, ignore_index=True)


def score_pictures(scenes: Sequence[Scene], methods: Mapping[str, Still], settings: Sequence) -> pd.DataFrame:
    """Errors of methods on pictures with hair (lib.evaluation.systems.judge_stills) at the given settings."""
    found = []
    for setting in settings:
        scored = judge_stills([one for _, one in turn(scenes, setting)], methods)
        people = {f"person {number}": person for number, (person, _) in enumerate(scenes, 1)}
        found.append(_by_person(scored.assign(image=scored.image.map(people)), setting))
    return pd.concat(found, ignore_index=True)


def _by_person(scored: pd.DataFrame, setting: tuple[float, float]) -> pd.DataFrame:
    means = scored.groupby(KEYS, sort=False).value.mean().reset_index()
    return means.assign(**dict(zip(DIALS, setting, strict=True)))


def turned(scenes: Sequence[Scene]) -> pd.DataFrame:
    """What the dials do to the measures of lib.evaluation.difficulty: one row a setting, medians over the scenes."""
    rows = []
    for setting in cells():
        some = [one for _, one in turn(scenes, setting)]
        measured = pd.DataFrame(
            [
                {name: getattr(difficulty, name)(one.image, one.alpha) for name in difficulty.DIFFICULTIES}
                for one in some
            ]
        )
        rows.append(dict(zip(DIALS, setting, strict=True)) | measured.median().to_dict())
    return pd.DataFrame(rows)


def grid(scored: pd.DataFrame, method: str, measure: str) -> pd.DataFrame:
    """Mean error of a method at every setting: rows camouflage, columns detail."""
    rows = scored[(scored.method == method) & (scored.measure == measure)]
    return rows.pivot_table(index=DIALS[0], columns=DIALS[1], values="value")


def effects(scored: pd.DataFrame, measure: str, seed: int) -> pd.DataFrame:
    """What each dial, turned from its lowest to its highest setting, adds to the error: one row a method and effect.

    Columns method, effect (of EFFECTS), then `stats.estimate` over people. The effect of one dial is the mean over the
    settings of the other; what both do beyond the sum of the two is taken from the four corners.
    """
    rows = []
    for method, part in scored[scored.measure == measure].groupby("method", sort=False):
        table = part.set_index(["image", *DIALS]).value.unstack(DIALS)  # people x settings
        colours, details = (table.columns.levels[level] for level in (0, 1))
        first, last = (table.xs(end, axis=1, level=0) for end in (colours.min(), colours.max()))
        plain, rich = (table.xs(end, axis=1, level=1) for end in (details.min(), details.max()))
        corners = [table[c, d] for c in (colours.max(), colours.min()) for d in (details.max(), details.min())]
        both = corners[0] - corners[1] - corners[2] + corners[3]
        by_effect = ((last - first).mean(axis=1), (rich - plain).mean(axis=1), both)
        for effect, values in zip(EFFECTS, by_effect, strict=True):
            rows.append({"method": method, "effect": effect, **stats.estimate(values.to_numpy()[None], seed)})
    return pd.DataFrame(rows)


def named(found: pd.DataFrame) -> dict[str, dict[str, dict]]:
    """method -> effect -> number with its spread, as lib.output.values takes it."""
    return {
        method: {row["effect"]: stats.spread(row) for row in part.to_dict("records")}
        for method, part in found.groupby("method", sort=False)
    }
