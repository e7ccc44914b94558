"""The notebooks of the paper in their order: what each needs and reads, and what it takes of the machine.

To add a notebook, add its entry to STEPS. Paths are relative to the root of the repository.
"""

from dataclasses import dataclass

from lib.base import reports_dir


@dataclass(frozen=True)
class Step:
    """One notebook. What it writes, its values file lists (lib.report.save)."""

    needs: tuple[str, ...] = ()  # notebooks that must be done before
    reads: tuple[str, ...] = ()  # files of the repository that it reads in addition to its images
    all_threads: bool = False  # trains or searches: as many threads as it may have
    gpu: bool = False  # one such step at a time


def _weights(*names: str) -> tuple[str, ...]:
    """The files of networks that ship."""
    files = ("config.json", "manifest.json", "model.safetensors")
    return tuple(f"data/weights/{name}/{file}" for name in names for file in files)


STEPS = {
    "01_data": Step(reads=("data/README.md", "data/check.csv", "data/sequences/manifest.csv")),
    "02_unsupervised": Step(),
    "03_vgg16": Step(all_threads=True, gpu=True),
    "04_augmentation": Step(needs=("03_vgg16",), all_threads=True, gpu=True),
    "05_results": Step(needs=("02_unsupervised", "03_vgg16", "04_augmentation"), gpu=True),
    "06_refinement": Step(all_threads=True, gpu=True),
    "07_benchmarks": Step(needs=("03_vgg16", "06_refinement"), all_threads=True, gpu=True),
    "08_alphagan": Step(
        reads=("reports/experiments/ablation/adversary.csv", *_weights("alphagan", "trimap")),
        all_threads=True,
        gpu=True,
    ),
    "09_background": Step(
        reads=("reports/experiments/ablation/disturbances.csv", *_weights("background", "portrait")),
        all_threads=True,
        gpu=True,
    ),
    "10_video": Step(reads=_weights("video", "background", "portrait"), all_threads=True, gpu=True),
    "11_your_portrait": Step(
        reads=(
            *_weights("hybrid", "portrait", "trimap"),
            "data/weights/portrait/model.onnx",
            "data/weights/trimap/model.onnx",
            "reports/experiments/ablation/ablation.csv",
            "reports/experiments/ablation/ablation.json",
        ),
        all_threads=True,
        gpu=True,
    ),
    "12_systems": Step(
        reads=_weights("alphagan", "background", "portrait", "trimap", "video"), all_threads=True, gpu=True
    ),
    "13_what_is_hard": Step(
        needs=("03_vgg16", "04_augmentation"),
        reads=_weights("background", "portrait", "trimap"),
        all_threads=True,
        gpu=True,
    ),
    "14_sweeps": Step(
        reads=(
            "notebooks/experiments.toml",
            *(
                f"reports/experiments/sweeps/{file.name}"
                for file in sorted(reports_dir("experiments/sweeps").glob("*.csv"))
            ),
        ),
        all_threads=True,
        gpu=True,
    ),
    "15_other_people": Step(
        reads=(
            "reports/experiments/crossed/scores.csv",
            "reports/experiments/crossed/crossed.json",
            "reports/experiments/transfer/scores.csv",
            "reports/experiments/transfer/transfer.json",
        )
    ),
}
NOTEBOOKS = tuple(STEPS)


def waiting(notebook: str) -> int:
    """How many steps the longest chain has that hangs on a notebook: what more waits for starts first."""
    return max((1 + waiting(name) for name, step in STEPS.items() if notebook in step.needs), default=0)
