"""Batches: each image once, in the asked order, its levels exact."""

import numpy as np
import torch

from helpers import prepared_from
from lib.data.batches import Arrays, batches, chunks, trimap_levels
from lib.data.trimap import signed_distance


def test_trimap_levels_are_exact():
    levels = trimap_levels(torch.tensor([0, 128, 255], dtype=torch.uint8))
    assert levels.tolist() == [0.0, 0.5, 1.0]


def test_chunks_keep_order_and_lose_nothing():
    parts = chunks([5, 3, 9, 1, 7], 2)
    assert [part.tolist() for part in parts] == [[5, 3], [9, 1], [7]]


def test_batches_hold_every_image_once_and_never_one_alone():
    for images in range(2, 40):
        order = np.random.default_rng(images).permutation(images)
        parts = batches(order, 4)
        assert np.array_equal(np.concatenate(parts), order)
        assert min(map(len, parts)) >= 2 and max(map(len, parts)) <= 5
    assert [len(part) for part in batches(np.arange(130), 64)] == [64, 64, 2]
    assert [len(part) for part in batches(np.arange(129), 64)] == [64, 65]
    assert [len(part) for part in batches(np.arange(67), 64, world=2)] == [67]


def test_stream_is_the_prepared_images_in_the_asked_order():
    random = np.random.default_rng(0)
    image, alpha = (random.integers(0, 256, (8, channels, 9, 7), np.uint8) for channels in (3, 1))
    prepared = prepared_from(image, alpha, rule="strict")
    arrays = Arrays(prepared, np.array([1, 3, 5, 7]), torch.device("cpu"))
    seen = list(arrays.stream([np.array([2, 0]), np.array([3, 1])]))
    assert [rows.tolist() for rows, _ in seen] == [[2, 0], [3, 1]]
    found = torch.cat([image for _, (image, _, _) in seen])
    assert np.array_equal((found * 255).round().numpy(), prepared.image[[5, 1, 7, 3]])
    distance = torch.cat([distance for _, (_, _, distance) in seen]).numpy()
    assert np.array_equal(distance, signed_distance(alpha[[5, 1, 7, 3]], "strict")), "by the set's own rule"
