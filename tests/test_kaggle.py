"""The download from Kaggle, with a stand-in for kagglehub: nothing here asks the network."""

import sys
from types import SimpleNamespace

import pytest

from lib.__main__ import main


def refusal(tmp_path, capsys) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(["kaggle", str(tmp_path)])
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_without_kagglehub_or_a_line_the_sentence_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KAGGLEHUB_CACHE", "")  # so that the change is undone afterwards
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert "expected the package kagglehub, found none; pip install kagglehub" in refusal(tmp_path, capsys)

    def cut(handle):
        raise ConnectionError("the line\nis cut")

    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=cut))
    assert "the download stopped (the line is cut); give the command again" in refusal(tmp_path, capsys)


def test_a_download_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KAGGLEHUB_CACHE", "")
    handles = []
    hub = SimpleNamespace(dataset_download=lambda handle: handles.append(handle) or str(tmp_path))
    monkeypatch.setitem(sys.modules, "kagglehub", hub)
    main(["kaggle", str(tmp_path)])
    assert handles == ["laurentmih/aisegmentcom-matting-human-datasets"]
    assert f"make paper PROFILE=paper DATA=aisegment DATA_DIR={tmp_path}" in capsys.readouterr().out
