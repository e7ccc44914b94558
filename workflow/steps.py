"""The steps of the paper, once: for each notebook what it needs and every file that it leaves.

To add a notebook, add its entry to STEPS; plan, Snakefile, drawing and tests read this table. Paths are relative to the
root of the repository.
"""

from dataclasses import dataclass


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
    all_threads: bool = False  # trains or searches: as many threads as it may have
    gpu: bool = False  # one such step at a time


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
        figures=("fig02_architecture", "fig03_loss_curves", "fig_error_by_steps"),
        tables=("tab01_hyperparameters", "tab_layers", "tab_training", "tab_pooling", "tab_leakage"),
        all_threads=True,
        gpu=True,
    ),
    "04_augmentation": Step(
        needs=("03_vgg16",),
        figures=("fig_augmentation_examples", "fig_augmentation_paired"),
        tables=("tab_augmentation",),
        all_threads=True,
        gpu=True,
    ),
    "05_results": Step(
        needs=("02_unsupervised", "03_vgg16", "04_augmentation"),
        figures=("fig04_comparison", "fig05_comparison", "fig06_comparison", "fig_error_maps"),
        tables=("tab02_results", "tab_swaps", "tab_metrics"),
        gpu=True,
    ),
    "06_refinement": Step(
        figures=("fig_refinement_losses", "fig_refinement_hair"),
        tables=("tab_refinement", "tab_refinement_effects"),
        all_threads=True,
        gpu=True,
    ),
    "07_benchmarks": Step(
        needs=("03_vgg16", "06_refinement"),
        figures=("fig_benchmarks",),
        tables=("tab_benchmarks", "tab_benchmarks_ranks"),
        all_threads=True,
        gpu=True,
    ),
    "11_your_portrait": Step(
        figures=("fig_cutout_steps", "fig_cutout_hair", "fig_cutout_worst"),
        tables=("tab_shipped", "tab_cutout", "tab_cutout_whole"),
        reads=tuple(
            f"data/weights/{name}/{file}"
            for name in ("portrait", "trimap")
            for file in ("config.json", "manifest.json", "model.safetensors", "model.onnx")
        ),
        all_threads=True,
        gpu=True,
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
        *figures(run, "fig_workflow"),
    ]


def waiting(notebook: str) -> int:
    """How many steps the longest chain has that hangs on a notebook: what more waits for is begun first."""
    return max((1 + waiting(name) for name, step in STEPS.items() if notebook in step.needs), default=0)
