"""README.md quotes the committed quick run, and nothing else."""

import pytest

from lib.base import ROOT, UserError
from workflow import readme


def test_results_block_is_that_of_the_committed_quick_run():
    text = (ROOT / "README.md").read_text()
    assert readme.with_results(text, readme.results_block()) == text


def test_block_is_put_between_the_markers_literally():
    text = f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter"
    assert readme.with_results(text, r"a\1b") == f"before\n{readme.BEGIN}\na\\1b\n{readme.END}\nafter"


def test_missing_marker_and_missing_run_are_named(tmp_path):
    with pytest.raises(UserError, match="markers"):
        readme.with_results("no markers", "block")
    with pytest.raises(UserError, match="tab02_results.csv.*make paper"):
        readme.results_block(tmp_path)


def test_photographs_are_told_with_their_weights_and_nothing_where_there_are_none(tmp_path):
    assert readme.photos_block(tmp_path) == []
    header = "method,train all,test all,test unknown\n"
    (tmp_path / "plain.csv").write_text(
        header + "study: VGG-16,0.1,0.3,\nVGG-16 recipe,0.02,0.04,0.14\ncontrol: trimap as alpha,,0.1,0.4\nGMM oracle,,0.2,0.3\n")
    (tmp_path / "vgg.csv").write_text(header + "VGG-16 recipe,0.02,0.035,0.13\ncontrol: trimap as alpha,,0.1,0.4\n")
    (tmp_path / "plain.json").write_text('{"steps": {"03_vgg16": {"parameters": {"recipe_epochs": 60, "recipe_lr": 0.003}}}}')
    (tmp_path / "values.json").write_text('{"training_images": 160, "test_images": 40}')
    _, text, _, table = readme.photos_block(tmp_path)
    assert "on 200 real portraits" in text and "of which 40\nto test on" in text and "60 epochs" in text
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert rows == [["VGG-16 recipe", "random", "0.0400", "0.1400"], ["control: trimap as alpha", "", "0.1000", "0.4000"],
                    ["VGG-16 recipe", "VGG-16 of ImageNet", "0.0350", "0.1300"]]


def test_the_benchmark_on_soft_alpha_is_told_with_what_the_networks_saw(tmp_path):
    assert readme.soft_block(tmp_path) == []
    (tmp_path / "tab_benchmarks_folder.csv").write_text("method,MSE,MSE low,MSE high\nclosed-form,0.01,0.005,0.02\n")
    (tmp_path / "07_benchmarks.json").write_text('{"values": {"07_benchmarks.pictures.folder": 15}}')
    (tmp_path / "06_refinement.json").write_text(
        '{"values": {"06_refinement.training_images": 208, "06_refinement.encoder": "random weights"}, '
        '"parameters": {"full_size": 480, "full_width": 32}}')
    _, text, _, table = readme.soft_block(tmp_path)
    text = " ".join(text.split())
    assert "15 pictures" in text and "208 rendered portraits of 480 px" in text
    assert "32 channels" in text and "random weights" in text
    assert [cell.strip() for cell in table.splitlines()[2].strip("|").split("|")] == ["closed-form", "0.010 [0.005, 0.020]"]
    (tmp_path / "trimap2").mkdir()
    (tmp_path / "trimap2" / "tab_benchmarks_folder.csv").write_text(
        "method,MSE,MSE low,MSE high\nKNN,0.5,0.4,0.6\nclosed-form,0.03,0.02,0.04\n")
    header, _, row = readme.soft_block(tmp_path)[-1].splitlines()
    assert "MSE, wider trimaps" in header and "0.030 [0.020, 0.040]" in row


def test_transfer_is_told_with_its_settings(tmp_path):
    assert readme.transfer_block(tmp_path) == []
    header = "method,use,photographs tested on,images," + ",".join(
        f"test {region}{end}" for region in ("all", "unknown") for end in ("", " low", " high"))
    (tmp_path / "transfer.csv").write_text(f"{header}\ntrained on 1600 rendered portraits,plain,all,200,.04,.03,.05,.14,.1,.2\n"
                                           "control,,all,200,.1,.1,.1,.4,.4,.4\n")
    (tmp_path / "transfer.json").write_text(
        '{"photographs": 200, "parameters": {"size": 28, "seed": 0, "rendered_epochs": 15, "epochs": 60}}')
    _, text, _, table = readme.transfer_block(tmp_path)
    assert "200 photographs (60 epochs)" in text and "(15 epochs)" in text and "28x28" in text
    assert "nan" not in table
    assert [cell.strip() for cell in table.splitlines()[2].strip("|").split("|")] == [
        "trained on 1600 rendered portraits", "plain", "200", "0.0400 [0.0300, 0.0500]", "0.1400 [0.1000, 0.2000]"]
