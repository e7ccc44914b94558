"""The steps of the paper, once: for each notebook what it needs and every file that it leaves.

To add a notebook, add its entry to STEPS; plan, Snakefile and tests read this table. Paths are relative to the
root of the repository.
"""

from dataclasses import dataclass

from lib.base import reports_dir


@dataclass(frozen=True)
class Step:
    """One notebook. Figures and tables by name, without folder and ending; `{run}` in files is the run's name."""

    needs: tuple[str, ...] = ()  # notebooks that must be done before
    figures: tuple[str, ...] = ()  # each as png and pdf
    tables: tuple[str, ...] = ()  # each as csv, md and tex
    files: tuple[str, ...] = ()  # what else it writes
    rendered_figures: tuple[str, ...] = ()  # further ones when the data are the rendered portraits
    rendered_tables: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()  # files of the repository that it reads beside its images
    trains: tuple[str, ...] = ()  # names of the networks that it leaves in runs/{run}/train, as patterns
    opens: tuple[str, ...] = ()  # those of them that it opens and another notebook trains
    all_threads: bool = False  # trains or searches: as many threads as it may have
    gpu: bool = False  # one such step at a time


def _weights(*names: str) -> tuple[str, ...]:
    """The files of networks that ship."""
    return tuple(
        f"data/weights/{name}/{file}"
        for name in names
        for file in ("config.json", "manifest.json", "model.safetensors")
    )


# Sweeps with results, by their names: a figure and a table each, but for those that share the figure of the scale.
SWEPT = tuple(file.stem for file in sorted(reports_dir("sweeps").glob("*.csv")))
OF_SWEEPS = tuple(f"sweep_{name}" for name in SWEPT if name not in ("scale", "full_width"))

STUDY, AUGMENTED = ("sgd-seed*", "recipe-seed*"), ("sgd-da-seed*", "recipe-da-seed*")  # networks, by their names

STEPS = {
    "01_data": Step(
        figures=(
            "fig01_example",
            "fig_wall",
            "fig_hair",
            "fig_difficulty",
            "fig_coverage",
            "fig_groups",
            "fig_alpha_histogram",
            "fig_trimap_rules",
        ),
        tables=("tab_data_counts", "tab_trimap_rules", "tab_splits"),
        files=("reports/{run}/splits.csv",),
        rendered_figures=("fig_clips",),
        rendered_tables=("tab_difficulty", "tab_render_check"),
        reads=("data/README.md", "data/check.csv", "data/sequences/manifest.csv"),
    ),
    "02_unsupervised": Step(
        figures=("fig_unsupervised_examples", "fig_unsupervised_failures"),
        tables=("tab_unsupervised", "tab_unsupervised_failures"),
        files=("runs/{run}/unsupervised.npz",),
    ),
    "03_vgg16": Step(
        figures=("fig02_architecture", "fig03_loss_curves", "fig_error_by_steps", "fig_abstract"),
        tables=("tab01_hyperparameters", "tab_layers", "tab_training", "tab_pooling", "tab_leakage"),
        trains=(*STUDY, "adam-seed*", "recipe-group-seed*", "recipe-random-seed*", "pooling-*"),
        all_threads=True,
        gpu=True,
    ),
    "04_augmentation": Step(
        needs=("03_vgg16",),
        figures=("fig_augmentation_examples", "fig_augmentation_paired"),
        tables=("tab_augmentation",),
        trains=AUGMENTED,
        opens=STUDY,
        all_threads=True,
        gpu=True,
    ),
    "05_results": Step(
        needs=("02_unsupervised", "03_vgg16", "04_augmentation"),
        figures=("fig04_comparison", "fig05_comparison", "fig06_comparison", "fig_error_maps"),
        tables=("tab02_results", "tab_swaps", "tab_metrics"),
        opens=(*STUDY, "adam-seed*", *AUGMENTED),
        gpu=True,
    ),
    "06_refinement": Step(
        figures=("fig_refinement_losses", "fig_refinement_hair"),
        tables=("tab_refinement", "tab_refinement_effects"),
        trains=("dim-*",),
        all_threads=True,
        gpu=True,
    ),
    "07_benchmarks": Step(
        needs=("03_vgg16", "06_refinement"),
        figures=("fig_benchmarks",),
        tables=("tab_benchmarks", "tab_benchmarks_ranks"),
        opens=("recipe-seed*", "dim-*"),
        all_threads=True,
        gpu=True,
    ),
    "08_alphagan": Step(
        figures=("fig_alphagan_hair", "fig_adversary"),
        tables=("tab_alphagan_sizes", "tab_alphagan_turns", "tab_alphagan", "tab_adversary"),
        reads=("reports/ablation/adversary.csv", *_weights("alphagan", "trimap")),
        all_threads=True,
        gpu=True,
    ),
    "09_background": Step(
        figures=(
            "fig_background_difference",
            "fig_background_cells",
            "fig_background_dots",
            "fig_disturbances",
            "fig_background_new",
        ),
        tables=("tab_background_cells", "tab_background_turns", "tab_background", "tab_disturbances"),
        reads=("reports/ablation/disturbances.csv", *_weights("background", "portrait")),
        all_threads=True,
        gpu=True,
    ),
    "10_video": Step(
        figures=("fig_video_frames", "fig_video_memory", "fig_video_dots", "fig_video_flicker"),
        tables=("tab_video_turns", "tab_video"),
        files=("figures/{run}/fig_video_clip.webp",),
        reads=_weights("video", "background", "portrait"),
        all_threads=True,
        gpu=True,
    ),
    "11_your_portrait": Step(
        figures=("fig_cutout_steps", "fig_cutout_hair", "fig_cutout_worst", "fig_ablation"),
        tables=("tab_shipped", "tab_cutout", "tab_cutout_whole", "tab_cutout_large", "tab_ablation"),
        reads=(
            *_weights("hybrid", "portrait", "trimap"),
            "data/weights/portrait/model.onnx",
            "data/weights/trimap/model.onnx",
            "reports/ablation/ablation.csv",
            "reports/ablation/ablation.json",
        ),
        all_threads=True,
        gpu=True,
    ),
    "12_systems": Step(
        figures=("fig_systems", "fig_systems_people"),
        tables=("tab_systems", "tab_systems_again", "tab_systems_large", "tab_systems_sizes"),
        reads=_weights("alphagan", "background", "portrait", "trimap", "video"),
        all_threads=True,
        gpu=True,
    ),
    "13_what_is_hard": Step(
        needs=("03_vgg16", "04_augmentation"),
        figures=("fig_dials", "fig_hard", "fig_hard_effects", "fig_hard_effects_large", "fig_hard_pictures"),
        tables=("tab_dials", "tab_hard", "tab_hard_large"),
        opens=("sgd-seed*", "recipe-da-seed*"),
        reads=_weights("background", "portrait", "trimap"),
        all_threads=True,
        gpu=True,
    ),
    "14_sweeps": Step(
        figures=("fig_scale", *(f"fig_{name}" for name in OF_SWEEPS)),
        tables=(
            "tab_sweeps",
            "tab_sweep_tried",
            "tab_scale",
            "tab_sweeps_best",
            "tab_sweeps_nearest",
            *(f"tab_{name}" for name in OF_SWEEPS),
        ),
        reads=("notebooks/sweeps.toml", *(f"reports/sweeps/{name}.csv" for name in SWEPT)),
        all_threads=True,
        gpu=True,
    ),
    "15_other_people": Step(
        figures=("fig_crossed_pictures", "fig_crossed", "fig_transfer"),
        tables=("tab_crossed", "tab_transfer", "tab_transfer_pairs"),
        reads=tuple(
            f"reports/{folder}/{file}"
            for folder in ("crossed", "transfer")
            for file in ("scores.csv", f"{folder}.json")
        ),
    ),
}
NOTEBOOKS = tuple(STEPS)


def figures(run: str, *names: str) -> list[str]:
    """The files of figures."""
    return [f"figures/{run}/{name}.{kind}" for name in names for kind in ("png", "pdf")]


def tables(run: str, *names: str, kinds: tuple[str, ...] = ("csv", "md", "tex")) -> list[str]:
    """The files of tables."""
    return [f"reports/{run}/tables/{name}.{kind}" for name in names for kind in kinds]


def record(run: str, notebook: str) -> str:
    """The file that says that a step is done. It is never committed, so a clone's reports do not count as done here."""
    return f"runs/{run}/steps/{notebook}.json"


def shown(notebook: str, run: str, data: str = "portraits") -> list[str]:
    """What the cells of a notebook write: figures, tables and further files. data: the parameter of that name."""
    step, rendered = STEPS[notebook], data == "portraits"
    return [
        *figures(run, *step.figures, *(step.rendered_figures if rendered else ())),
        *tables(run, *step.tables, *(step.rendered_tables if rendered else ())),
        *(file.format(run=run) for file in step.files),
    ]


def outputs(notebook: str, run: str, parameters: dict) -> list[str]:
    """Every file of a finished step, its record last."""
    return [
        f"reports/{run}/{notebook}.ipynb",
        f"reports/{run}/{notebook}.html",
        f"reports/{run}/values/{notebook}.json",
        *shown(notebook, run, parameters.get("data", "portraits")),
        record(run, notebook),
    ]


def record_outputs(run: str) -> list[str]:
    """What `python -m workflow.record` writes when all notebooks are done."""
    return [f"reports/{run}/run.json", f"reports/{run}/index.html"]


def article_outputs(run: str) -> list[str]:
    """What `python -m workflow.article` writes from run.json."""
    return [
        *(f"reports/{run}/{name}" for name in ("paper.html", "paper.pdf", "abstract.md")),
        *tables(run, "tab_claims", kinds=("csv", "md")),
    ]


# What is made when all notebooks are done, in this order: its name -> its files.
ENDING = {"record": record_outputs, "article": article_outputs}


def ending_outputs(run: str) -> list[str]:
    """All files of ENDING."""
    return [file for outputs in ENDING.values() for file in outputs(run)]


def waiting(notebook: str) -> int:
    """How many steps the longest chain has that hangs on a notebook: what more waits for is begun first."""
    return max((1 + waiting(name) for name, step in STEPS.items() if notebook in step.needs), default=0)
