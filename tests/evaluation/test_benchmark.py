"""The benchmark: what is judged, how ranks are made, and pictures of a folder."""

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from lib.base import UserError
from lib.evaluation import benchmark, metrics, scores


def picture(name: str, seed: int) -> benchmark.Picture:
    random = np.random.default_rng(seed)
    alpha = np.clip((np.arange(32)[None] - 10) * 20 + random.integers(-20, 20, (24, 1)), 0, 255).astype(np.uint8)
    trimap = np.where((alpha > 0) & (alpha < 255), 128, alpha).astype(np.uint8)
    return name, random.random((24, 32, 3), np.float32), trimap, alpha


def known(method):
    return lambda image, trimap: np.where(trimap == 128, method(image, trimap), trimap == 255).astype(np.float32)


def test_judges_by_the_projects_metrics_and_leaves_out_what_a_method_cannot_do(capsys):
    def refuses(image, trimap):
        raise UserError("trimap: too hard.")

    pictures = [picture("a", 0), picture("b", 1)]
    judged = benchmark.judge(pictures, {"half": known(lambda image, trimap: 0.5), "none": refuses})
    assert judged.method.unique().tolist() == ["half", "none"] and judged.image.unique().tolist() == ["a", "b"]
    mse, seconds = (scores.matrix(judged, "half", measure)[0] for measure in ("mse", "seconds"))
    for found, took, (_, _, trimap, alpha) in zip(mse, seconds, pictures, strict=True):
        half = np.where(trimap == 128, np.float32(0.5), trimap == 255).astype(np.float32)
        assert found == pytest.approx(metrics.mse(half, alpha, trimap)) and took > 0
    assert judged[judged.method == "none"].value.isna().all()
    assert "a, none: left out: trimap: too hard." in capsys.readouterr().out
    assert scores.matrix(judged, "half", "sad").shape == (1, 2)


def test_ranks_are_means_of_places_and_ties_share_theirs():
    rows = [
        scores.frame(method, 0, [name], dict.fromkeys(("sad", "mse", "grad", "conn"), (error,)))
        for name, errors in {"p": (1, 2, 3), "q": (1, 1, 3), "r": (9, 1, float("nan"))}.items()
        for method, error in zip("abc", errors, strict=True)
    ]
    table = benchmark.ranks(pd.concat(rows)).set_index("method")
    # a: 1, 1.5, 2; b: 2, 1.5, 1; c: last each time, also where it has no result
    assert table["mean rank"].to_dict() == pytest.approx({"a": 1.5, "b": 1.5, "c": 3.0})
    assert table["rank by SAD"].tolist() == table["mean rank"].tolist()


def test_controls_and_clusters_keep_what_is_known():
    _, image, trimap, _ = picture("a", 0)
    for method, solve in benchmark.controls_and_clusters(0).items():
        found = solve(image, trimap)
        assert found.shape == trimap.shape and found.dtype == np.float32, method
        assert np.array_equal(found[trimap != 128], (trimap == 255)[trimap != 128].astype(np.float32)), method


def test_enlarged_shows_the_network_a_thumbnail():
    class Red(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.seen = torch.nn.Parameter(torch.ones(1)), []

        def forward(self, image, trimap):
            self.seen.append((tuple(image.shape), trimap.unique().tolist()))
            return image[:, :1]

    image = np.zeros((40, 60, 3), np.float32)
    image[..., 0] = np.linspace(0, 1, 60)
    trimap = np.full((40, 60), 128, np.uint8)
    trimap[:, :20] = 0
    model = Red()
    found = benchmark.enlarged(model, 20)(image, trimap)
    assert model.seen == [((1, 3, 20, 20), [0.0, 0.5])]
    assert (found[:, :20] == 0).all()
    assert np.abs(found[:, 22:-3] - image[:, 22:-3, 0]).max() < 0.02


def test_folder_pictures_are_read_at_their_own_size(tmp_path):
    for number, (folder, value) in enumerate([("image", 90), ("alpha", 200), ("trimap", 127)]):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "one.png"), np.full((13, 17), value, np.uint8))
    [(name, image, trimap, alpha)] = benchmark.folder_pictures(tmp_path, "tolerant")
    assert name == "one" and image.shape == (13, 17, 3) and image.dtype == np.float32
    assert (trimap == 128).all() and (alpha == 200).all()
    assert benchmark.folder_pictures("", "tolerant") == []


def test_the_floor_is_what_shrinking_costs_the_truth():
    """A truth that the small size can hold costs nothing; stripes of a pixel, all unknown, become an even half."""
    trimap = np.full((64, 64), 128, np.uint8)
    even, stripes = np.full((64, 64), 102, np.uint8), np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    image = np.zeros((64, 64, 3), np.float32)
    found = benchmark.floor([("even", image, trimap, even), ("stripes", image, trimap, stripes)], 8)
    mse = found[found.measure == "mse"].set_index("image").value
    assert mse["even"] == pytest.approx(0, abs=1e-9) and mse["stripes"] == pytest.approx(0.25)
