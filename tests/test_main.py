"""The command line: each mistake one line, nothing heavy imported before it is needed."""

import subprocess
import sys

import pytest

from lib.__main__ import main
from lib.base import ROOT

COMMANDS = ("cutout", "sweep", "weights", "crossed", "transfer", "kaggle")


def refused(capsys, *arguments: str) -> str:
    """What a call that ends with exit status 2 writes to stderr."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_a_mistake_is_one_sentence(tmp_path, capsys):
    error = refused(capsys, "sweep", "nowhere")
    assert error.count("\n") == 1 and error.startswith("Error: names: expected some of ") and "'nowhere'" in error


def test_an_unknown_command_is_refused(capsys):
    assert "invalid choice: 'cutuot'" in refused(capsys, "cutuot")
    assert "COMMAND" in refused(capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself_under_its_own_name(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0 and f"python -m lib {command}" in capsys.readouterr().out


def test_the_list_of_commands_needs_no_pytorch():
    code = (
        "import runpy, sys; sys.argv = ['lib', '--help']\ntry:\n    runpy.run_module('lib', run_name='__main__')\n"
        "finally:\n    sys.stderr.write(str('torch' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "False"
    assert all(f"\n    {command} " in done.stdout for command in COMMANDS)
