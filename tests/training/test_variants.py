"""Trainings with one thing changed: those with nothing changed are the study's own."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models.vgg import cfgs, make_layers

from helpers import prepared_from
from lib.base import UserError
from lib.data.augment import flip_rotate
from lib.device import Machine
from lib.training import thumbnail, variants
from lib.training.variants import BORDERS, VariantRecipe, turned


@pytest.fixture(scope="module")
def prepared():
    random = np.random.default_rng(0)
    alpha = np.zeros((12, 1, 28, 28), np.uint8)
    alpha[:, :, 8:, 6:20] = 255
    alpha[:, :, 8:, 5] = 120
    return prepared_from(random.integers(0, 256, (12, 3, 28, 28), dtype=np.uint8), alpha)


SPLIT = np.arange(8), np.arange(8, 12)
SMALL = {"epochs": 1, "batch_size": 4, "seed": 3, "lr": 0.01}


@pytest.mark.parametrize("augment", [False, True])
def test_with_nothing_changed_it_is_the_training_of_the_study(prepared, tmp_path, augment):
    machine = Machine("cpu", "fp32", 1)
    own = variants.train(prepared, SPLIT, tmp_path / "a", VariantRecipe(width=64, augment=augment, **SMALL), machine)
    recipe = thumbnail.ThumbnailRecipe(augment=augment, **SMALL)
    theirs = thumbnail.train(prepared, SPLIT, tmp_path / "b", recipe, machine)
    columns = [name for name in theirs if name.startswith(("train_", "test_"))]
    np.testing.assert_allclose(
        own[columns], theirs[columns], atol=1e-3 if augment else 2e-6
    )  # turned, a pixel may round otherwise


def test_a_training_without_a_trimap_looks_at_none(prepared, tmp_path):
    machine, blind = Machine("cpu", "fp32", 1), VariantRecipe(width=8, blind=True, **SMALL)
    variants.train(prepared, SPLIT, tmp_path / "a", blind, machine)
    network = variants.Blind(variants.variants.network(8)).eval()
    image = torch.rand(1, 3, 28, 28)
    known, unknown = (network(image, torch.full((1, 1, 28, 28), level)) for level in (1.0, 0.5))
    torch.testing.assert_close(known, unknown, rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(28, 28), (40, 30)])
def test_turning_is_the_studys_where_the_picture_is_mirrored_outside(shape):
    stack = torch.rand(6, 5, *shape, generator=torch.Generator().manual_seed(0))
    stack[:, -1] = (stack[:, -1] * 3).floor() / 2
    flip = torch.tensor([0, 1, 0, 1, 0, 1], dtype=torch.bool)
    angle = torch.tensor([0.0, 0, 13, -25, 30, 5])
    theirs = torch.cat(flip_rotate(stack[:, :3], stack[:, 3:4], stack[:, 4:], flip, angle), dim=1)
    own = turned(stack, flip, angle, "reflection")
    torch.testing.assert_close(own, theirs, atol=1e-5, rtol=0)
    assert torch.equal(own[0], stack[0])


def test_what_comes_in_from_outside():
    white = torch.ones(1, 5, 28, 28)
    corners = {
        border: turned(white, torch.tensor([False]), torch.tensor([30.0]), border)[0, :, 0, 0] for border in BORDERS
    }
    assert (corners["reflection"] > 0.999).all() and (corners["border"] > 0.999).all() and (corners["zeros"] == 0).all()


def test_the_draws_follow_the_recipe(prepared):
    def drawn(**changes):
        here = variants.Place(torch.device("cpu"), "fp32")
        return variants.Variant(prepared, SPLIT, VariantRecipe(width=8, augment=True, **SMALL, **changes), here)._draws(
            1
        )

    flips, angles, radii = drawn(probability=1.0)
    assert flips.all() and angles.abs().max() <= 30 and (radii >= 1.5).all() and (radii <= 3.0).all()
    assert not drawn(probability=0.0)[0].any() and not drawn(flip=False, probability=1.0)[0].any()
    assert (drawn(degrees=0.0, probability=1.0)[1] == 0).all() and (drawn(radius=1.0)[2] == 1.5).all()


def test_a_recipe_out_of_range_is_refused():
    with pytest.raises(UserError, match="border: expected one of reflection, border, zeros, found 'white'"):
        VariantRecipe(border="white")
    with pytest.raises(UserError, match="encoder_weights: expected none with a random encoder, found 'imagenet'"):
        VariantRecipe(encoder_weights="imagenet")


def system(prepared, **changes):
    recipe = VariantRecipe(**SMALL | {"width": 8} | changes)
    return variants.Variant(prepared, SPLIT, recipe, variants.Place(torch.device("cpu"), "fp32"))


def test_jitter_changes_the_colours_alone_within_its_ranges(prepared):
    own, plain = (next(system(prepared, jitter=strength).batches(1, 0)) for strength in (1.0, 0.0))
    assert torch.equal(own[1], plain[1]) and torch.equal(own[2], plain[2]) and not torch.equal(own[0], plain[0])
    brightest = 1.15 * 1.07 * plain[0] ** np.exp(-0.223)
    darkest = 0.85 * 0.93 * plain[0] ** np.exp(0.223)
    assert (own[0] <= brightest.clamp(0, 1) + 1e-6).all() and (own[0] >= darkest - 1e-6).all()
    again, later = next(system(prepared, jitter=1.0).batches(1, 0)), next(system(prepared, jitter=1.0).batches(2, 0))
    assert torch.equal(again[0], own[0]) and not torch.equal(later[0], own[0])


def test_training_trimaps_may_follow_a_rule_of_their_own(prepared):
    """A pixel of alpha 5 is background to the tolerant rule; the strict one makes it and what lies beside it unknown."""
    alpha = np.array(prepared.alpha)
    alpha[:, :, 2, 2] = 5
    dusty = replace(prepared, alpha=alpha)
    tolerant, strict = (next(system(dusty, train_rule=rule).batches(1, 0))[2] for rule in ("tolerant", "strict"))
    assert (tolerant[:, 0, 2, 2] == 0).all() and (strict[:, 0, 2, 2] == 0.5).all() and (strict[:, 0, 2, 3] == 0.5).all()
    assert torch.equal(
        next(system(dusty).batches(1, 0))[2], tolerant
    )  # the rule of the test trimaps, where none is named


def test_named_optimisers_are_what_their_names_say(prepared):
    (optimizer,) = system(prepared, optimizer="plain sgd").make_optimizers()
    assert isinstance(optimizer, torch.optim.SGD) and optimizer.param_groups[0]["momentum"] == 0
    (optimizer,) = system(prepared, optimizer="adamw, decay 0.01").make_optimizers()
    assert isinstance(optimizer, torch.optim.AdamW) and optimizer.param_groups[0]["weight_decay"] == 0.01


def test_an_encoder_that_has_learnt_comes_from_its_file(prepared, tmp_path):
    state = {name.replace("module.", ""): value for name, value in make_layers(cfgs["D"], False).state_dict().items()}
    save_file({f"features.{name}": value for name, value in state.items()}, tmp_path / "vgg16.safetensors")
    trained = {"encoder": "trained", "encoder_weights": str(tmp_path / "vgg16.safetensors"), "width": 64}
    assert torch.equal(system(prepared, **trained).model.encoder1[0].weight, state["0.weight"])


def test_the_network_of_today_learns_in_the_same_loop(prepared, tmp_path):
    recipe = VariantRecipe(**SMALL | {"epochs": 4, "network": "residual, as long a step", "optimizer": "adam"})
    history = variants.train(prepared, SPLIT, tmp_path / "a", recipe, Machine("cpu", "fp32", 1))
    assert history.train_all.iloc[-1] < history.train_all.iloc[0]
