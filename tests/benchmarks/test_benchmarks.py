"""The benchmark end to end at its smallest, and that its ratios are ratios."""

import json
import multiprocessing

import numpy as np
import pytest
from joblib import Parallel, delayed

from benchmarks import speed, whole_image


@pytest.mark.slow
def test_bench_writes_ratios(tmp_path, monkeypatch):
    # in this process: starting a fresh one for each part takes longer than the parts
    monkeypatch.setattr(speed, "_alone", lambda part, *arguments: speed._with_peak(part, arguments))
    monkeypatch.setattr(whole_image, "LARGER", 2)
    rates, memory = speed.bench(images=8, distinct=1, size=28, batch_size=4, epochs=2, side=(120, 90))
    assert (rates["ours"] > 0).all() and (rates["reference"] > 0).all()
    assert np.allclose(rates["ratio"], rates["ours"] / rates["reference"])
    assert rates["what"].iloc[-1].startswith("SAD, MSE, Grad and Conn / ")
    assert len(memory) == 7 and (memory["peak_mb"] > 100).all()
    speed.write(rates, memory, {"images": 8, "size": 28, "batch_size": 4}, tmp_path / "bench")
    record = json.loads((tmp_path / "bench" / "bench.json").read_text())
    assert record["rates"][0]["target"] == 4.0 and record["rates"][1]["target"] is None
    assert record["rates"][0]["ratio"] == pytest.approx(rates["ratio"][0])
    text = (tmp_path / "bench" / "bench.md").read_text()
    assert "ratio" in text and "nan" not in text


def test_a_part_leaves_no_process_behind():
    """Idle ones of joblib would keep the part's own process from ending for minutes."""
    speed._with_peak(lambda: Parallel(2)(delayed(abs)(number) for number in range(4)), ())
    assert multiprocessing.active_children() == []


def test_too_small_a_bench_is_refused(capsys):
    with pytest.raises(SystemExit) as stopped:
        speed.main(["--images", "10"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == (
        "Error: bench: expected at least two batches of 64 images and two epochs, "
        "found 10 images and 4 epochs; raise them.\n"
    )
