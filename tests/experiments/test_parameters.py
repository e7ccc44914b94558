"""Parameters: everything known passes, everything else is refused in one sentence."""

import subprocess
import sys
import tomllib

import pytest

from lib.base import ROOT, UserError
from lib.compute import Compute
from lib.experiments import parameters
from workflow import profiles
from workflow.plan import make_plan


def test_known_values_pass_and_whole_numbers_become_floats():
    found = parameters.check({"epochs": 3, "lr": 1, "data": "folder", "_hidden": "x", "In": ["x"], "module": tomllib})
    assert found.given == {"epochs": 3, "lr": 1.0, "data": "folder"}
    assert isinstance(found.given["lr"], float)
    assert (found.epochs, found.lr, found.data) == (3, 1.0, "folder")
    assert found.full_size == parameters.defaults()["full_size"] and found.compute == Compute()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("epoch", 3, "did you mean epochs"),
        ("epochs", 0, "expected 1 to"),
        ("epochs", 2.5, "whole number"),
        ("epochs", True, "whole number"),
        ("lr", float("nan"), "expected 1e-08 to"),
        ("lr", "fast", "a number"),
        ("device", "gpu", "one of auto, cpu, cuda"),
        ("data_dir", 3, "a word"),
        ("zzz", 1, "the parameters are"),
    ],
)
def test_others_are_refused_by_name(name, value, said):
    with pytest.raises(UserError, match=said) as error:
        parameters.check({name: value})
    assert str(error.value).startswith(f"{name}: ") and "\n" not in str(error.value)


def test_every_profile_holds_only_known_values():
    for path in profiles.PROFILES.glob("*.toml"):
        for name, value in tomllib.loads(path.read_text())["parameters"].items():
            assert parameters.check_one(name, value) == value


def test_unknown_profile_lists_the_known_ones():
    with pytest.raises(UserError, match="gpu, long, paper, quick, smoke.*did you mean quick"):
        profiles.read("quikc")


def test_settings_are_read_as_toml_and_else_as_words():
    assert profiles.parse_setting("epochs=20") == ("epochs", 20)
    assert profiles.parse_setting("lr=1e-3") == ("lr", 0.001)
    assert profiles.parse_setting("encoder_weights=/a/b.safetensors") == ("encoder_weights", "/a/b.safetensors")
    with pytest.raises(UserError, match="name=value"):
        profiles.parse_setting("epochs")


def test_plan_gives_each_notebook_only_what_it_declares():
    plan = make_plan("smoke", {"run": "smoke", "lr": 0.5})
    assert plan["03_vgg16"]["parameters"]["lr"] == 0.5
    assert "lr" not in plan["01_data"]["parameters"]


def test_who_plans_needs_no_torch():
    """`make paper` with nothing to do, and `make status`, answer at once."""
    code = "import sys, workflow.run, workflow.plan; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
