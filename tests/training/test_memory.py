"""The memory plan: counted bytes against a network whose maps one can count by hand, and batches in parts against whole ones."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from training.test_loop import Line

from helpers import prepared_from
from lib.base import UserError
from lib.training import loop, memory
from lib.training.place import Place
from lib.training.recipe import Recipe
from lib.training.thumbnail import Thumbnail, ThumbnailRecipe

HERE = Place(torch.device("cpu"), "fp32")


class Wide(Line):
    """Two convolutions with a ReLU between them: saved are the picture, the first one's map and what ReLU lets through."""

    records = ("train",)

    def __init__(self, recipe, here):
        super().__init__(recipe, here)
        self.model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 1, 1))
        self.network = self.model

    def loss(self, batch):
        error = self.network(batch).sum()
        return error, error.detach()[None]


def test_the_bytes_of_a_network_are_those_counted_by_hand():
    system = Wide(Recipe(batch_size=4, optimizer="adam", ema=0.9), HERE)
    found = memory.plan(system, torch.rand(4, 3, 16, 16), free=2**30)
    weights = 4 * (3 * 8 * 9 + 8 + 8 + 1)
    assert found.fixed == weights * (1 + 1 + 3)  # weights, their average, a gradient and two moments
    assert found.an_image == 4 * 16 * 16 * (3 + 8)  # the picture, and ReLU's map, which the second convolution shares
    assert found.parts == 1 and "batches of 4 whole" in found.told()


def test_the_largest_batch_that_fits_is_found_and_told():
    system = Wide(Recipe(batch_size=16), HERE)
    an_image = 4 * 16 * 16 * 11
    fixed = 4 * 233 * 3
    for images, parts in ((16, 1), (8, 2), (4, 4), (1, 8)):  # at least two images a part, whatever fits
        free = int(memory.SLACK * (fixed + images * an_image)) + 1
        found = memory.plan(system, torch.rand(16, 3, 16, 16), free)
        assert found.parts == parts
    assert "in 8 parts" in found.told() and "over 2 images" in found.told()


def set_of(images=12, side=28):
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (images, 3, side, side), generator=generator, dtype=torch.uint8).numpy()
    alpha = torch.zeros(images, 1, side, side, dtype=torch.uint8)
    alpha[:, :, 8:20, 8:20] = 255
    return prepared_from(image, alpha.numpy())


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_plan_leaves_the_system_as_it_was(batch_norm):
    prepared = set_of()
    recipe = ThumbnailRecipe(batch_size=8, batch_norm=batch_norm)
    system = Thumbnail(prepared, (range(8), range(8, 12)), recipe, HERE)
    system.network = system.model.train()
    before = {name: value.clone() for name, value in system.model.state_dict().items()}
    state = torch.get_rng_state()
    found = memory.plan(system, next(iter(system.batches(1, 0))), 2**40)
    assert found.batch == 8 and found.an_image > 28 * 28 * 64 * 4
    assert all(torch.equal(value, before[name]) for name, value in system.model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in system.model.parameters())


def test_a_batch_in_parts_gives_the_gradient_of_the_whole():
    """Without batch norm and over all pixels the mean of the parts' losses is the loss; up to rounding."""
    prepared = set_of()
    grads = []
    for parts in (1, 2, 3):
        recipe = ThumbnailRecipe(batch_size=8, batch_norm=False, lr=1e-8)
        system = Thumbnail(prepared, (range(8), range(8, 12)), recipe, HERE)
        system.network, system.parts, system.optimizers = system.model, parts, system.make_optimizers()
        told = system.step([next(iter(system.batches(1, 0)))])
        grads.append(torch.cat([p.grad.flatten() for p in system.model.parameters()]))
        assert told.sum(dim=0)[1] == 8  # images told of
    scale = grads[0].abs().max()
    assert (grads[1] - grads[0]).abs().max() <= 1e-5 * scale and (grads[2] - grads[0]).abs().max() <= 1e-5 * scale


def test_a_training_in_parts_is_the_training_of_whole_batches_on_a_line(tmp_path):
    class Parted(Line):
        def __init__(self, recipe, here):
            super().__init__(recipe, here)
            self.parts = 2

    recipe = Recipe(epochs=3, batch_size=4, lr=0.05)
    made = [
        loop.train(
            lambda kind=kind: kind(recipe, HERE), tmp_path / kind.__name__, recipe, HERE, {"kind": kind.__name__}
        )
        for kind in (Line, Parted)
    ]
    pd.testing.assert_frame_equal(*(each[["epoch", "step", "train", "test"]] for each in made), rtol=1e-5)


def test_running_out_of_memory_ends_in_one_sentence(tmp_path):
    class Hungry(Line):
        def loss(self, batch):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has ...")

    recipe = replace(Recipe(), batch_size=4)
    with pytest.raises(
        UserError, match="batch_size: expected batches that fit .* found that 4 images of a Hungry"
    ) as told:
        loop.train(lambda: Hungry(recipe, HERE), tmp_path / "run", recipe, HERE, {})
    assert "CUDA out of memory" in str(told.value) and "GPU 0" not in str(told.value)
