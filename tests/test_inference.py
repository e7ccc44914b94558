"""Errors against NumPy and scikit-learn; predictions against the network called by hand."""

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error

from lib.data.batches import chunks, trimap_levels
from lib.data.prepare import Prepared, test_trimaps
from lib.data.trimap import make_trimap
from lib.evaluation.scores import alpha_errors
from lib.inference import predict
from lib.models.dim import VGG16Matting


def drawn(n: int = 6, height: int = 28, width: int = 28, trimap: bool = False) -> Prepared:
    """Rectangles of alpha with a soft edge, on noise."""
    random = np.random.default_rng(0)
    alpha = np.zeros((n, 1, height, width), np.uint8)
    for one in alpha:
        top, left = random.integers(2, 8, 2)
        one[0, top:, left:-left] = 255
        one[0, top, left:-left] = 100
    image = random.integers(0, 256, (n, 3, height, width), dtype=np.uint8)
    given = np.full_like(alpha, 128) if trimap else None
    names = [f"image-{number}" for number in range(n)]
    return Prepared(image, alpha, given, None, None, names, names, {}, [], "drawn")


def test_errors_are_mean_absolute_errors():
    random = np.random.default_rng(1)
    predicted = random.random((3, 1, 5, 4), dtype=np.float32)
    alpha = random.integers(0, 256, (3, 1, 5, 4), dtype=np.uint8)
    trimap = random.choice(np.array([0, 128, 255], np.uint8), (3, 1, 5, 4))
    errors = alpha_errors(predicted, alpha, trimap)
    for number in range(3):
        unknown = trimap[number] == 128
        assert errors["all"][number] == pytest.approx(
            mean_absolute_error(alpha[number].ravel() / 255, predicted[number].ravel()))
        assert errors["unknown"][number] == pytest.approx(
            mean_absolute_error(alpha[number][unknown] / 255, predicted[number][unknown]))


def test_perfect_and_opposite_predictions():
    alpha = np.array([[[[0, 255], [255, 0]]]], np.uint8)
    trimap = np.array([[[[0, 128], [128, 255]]]], np.uint8)
    assert alpha_errors(alpha / np.float32(255), alpha, trimap).iloc[0].tolist() == [0, 0]
    assert alpha_errors(1 - alpha / np.float32(255), alpha, trimap).iloc[0].tolist() == [1, 1]


def test_unknown_is_nan_without_unknown_pixels():
    alpha = np.full((2, 1, 3, 3), 255, np.uint8)
    trimap = alpha.copy()
    trimap[1, 0, 0, 0] = 128
    errors = alpha_errors(np.zeros((2, 1, 3, 3), np.float32), alpha, trimap)
    assert np.isnan(errors["unknown"][0]) and errors["unknown"][1] == 1


def test_trimap_levels_are_exact():
    levels = trimap_levels(torch.tensor([0, 128, 255], dtype=torch.uint8))
    assert levels.tolist() == [0.0, 0.5, 1.0]


def test_trimaps_come_from_alpha_with_the_radius_of_the_size():
    prepared = drawn()
    expected = make_trimap(prepared.alpha[[4, 1]], 1.5, "strict")
    assert np.array_equal(test_trimaps(prepared, [4, 1], "strict"), expected)
    # the study's kernel at 28 px: unknown is where a 3x3 window sees more than one label
    import cv2

    inside = (prepared.alpha[1, 0] == 255).astype(np.uint8)
    outside = (prepared.alpha[1, 0] == 0).astype(np.uint8)
    window = np.ones((3, 3), np.uint8)
    known = cv2.erode(inside, window) | cv2.erode(outside, window)
    assert np.array_equal(test_trimaps(prepared, [1], "strict")[0, 0] == 128, known == 0)


def test_the_sources_own_trimaps_are_kept():
    assert (test_trimaps(drawn(trimap=True), [0, 2], "tolerant") == 128).all()


def test_chunks_keep_order_and_lose_nothing():
    parts = chunks([5, 3, 9, 1, 7], 2)
    assert [part.tolist() for part in parts] == [[5, 3], [9, 1], [7]]


@pytest.mark.parametrize(("height", "width"), [(28, 28), (47, 33)])
def test_predict_is_the_network_in_evaluation_mode(height, width):
    prepared, model = drawn(5, height, width), VGG16Matting().train()
    index = [3, 0, 4]
    found = predict(model, prepared, index, batch_size=2, device="cpu", precision="fp32")
    assert model.training, "predict must give the model its mode back"
    assert found.shape == (3, 1, height, width) and found.dtype == np.float32
    image = torch.from_numpy(prepared.image[index]).float() / 255
    trimap = trimap_levels(torch.from_numpy(test_trimaps(prepared, index)))
    with torch.no_grad():
        expected = model.eval()(image, trimap).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_bf16_prediction_is_close_to_fp32():
    prepared, model = drawn(2), VGG16Matting()
    half = predict(model, prepared, [0, 1], device="cpu", precision="bf16")
    full = predict(model, prepared, [0, 1], device="cpu", precision="fp32")
    assert half.dtype == np.float32
    assert np.abs(half - full).mean() < 0.02


def ramp(image, trimap):
    """A model that takes the column for alpha: 0 at the left, 1 at the right."""
    return torch.linspace(0, 1, image.shape[-1]).expand_as(trimap).clone()


def test_mirrored_prediction_is_the_mean_of_both_and_known_pixels_are_kept():
    alpha = np.zeros((2, 1, 28, 28), np.uint8)
    alpha[..., 8:20, 8:20] = 255
    prepared = Prepared(np.zeros((2, 3, 28, 28), np.uint8), alpha, None, None, None, ["a", "b"], ["a", "b"], {}, [], "x")

    class Ramp(torch.nn.Module):
        forward = staticmethod(ramp)

    plain, mirrored, kept = (predict(Ramp(), prepared, [0, 1], device="cpu", precision="fp32", **options)
                             for options in ({}, {"mirror": True}, {"keep_known": True}))
    np.testing.assert_allclose(plain[0, 0, 3], np.linspace(0, 1, 28), atol=1e-6)
    np.testing.assert_allclose(mirrored, 0.5, atol=1e-6)
    trimap = test_trimaps(prepared, [0, 1])
    assert {0, 128, 255} == set(np.unique(trimap))
    np.testing.assert_array_equal(kept[trimap == 128], plain[trimap == 128])
    np.testing.assert_array_equal(kept[trimap != 128], (trimap == 255)[trimap != 128])
