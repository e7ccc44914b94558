# The paper as a graph of steps. `python -m lib.paper` writes runs/<run>/plan.json (parameters and fingerprints of
# each notebook) and calls Snakemake; a step is stale when its fingerprint or a file it needs has changed.
import json
import shlex
import sys

run = config["run"]
with open(f"runs/{run}/plan.json") as file:
    plan = json.load(file)
# Code, text and claims of the article, listed by lib.plan.article_sources.
with open(f"runs/{run}/sources.json") as file:
    sources = json.load(file)

rendered = plan["01_data"]["parameters"].get("data", "portraits") == "portraits"  # they come with more to show


def figures(*names):
    return [f"figures/{run}/{name}.{kind}" for name in names for kind in ("png", "pdf")]


def tables(*names):
    return [f"reports/{run}/tables/{name}.{kind}" for name in names for kind in ("csv", "md", "tex")]


def executed(notebook):
    # The record under runs/ is never committed, so a fresh clone's committed reports do not count as done.
    return [f"reports/{run}/{notebook}.{kind}" for kind in ("ipynb", "html")] + [
        f"reports/{run}/values/{notebook}.json", f"runs/{run}/steps/{notebook}.json"]


def record(notebook):
    return f"runs/{run}/steps/{notebook}.json"


def needed(notebook):
    return [record(other) for other in plan[notebook]["needs"]]


# What a training may use: the parameter `threads`, or all cores; two that take all cores at once only wait for each other.
wanted = plan["03_vgg16"].get("parameters", {}).get("threads") or workflow.cores or 8

# exec: the step is then a child of Snakemake itself and ends with it.
PYTHON = shlex.quote(sys.executable)
COMMAND = f"exec {PYTHON} -m lib.run {{params.notebook}} --run {run} --outputs {{output}}"


rule data:
    output:
        executed("01_data"), f"reports/{run}/splits.csv",
        figures("fig01_example", "fig_wall", "fig_hair", "fig_difficulty", "fig_coverage", "fig_groups",
                "fig_alpha_histogram", "fig_trimap_rules", *(["fig_clips"] if rendered else [])),
        tables("tab_data_counts", "tab_trimap_rules", "tab_splits",
               *(["tab_difficulty", "tab_render_check"] if rendered else [])),
    params:
        notebook="01_data",
        fingerprint=plan["01_data"]["fingerprint"],
    shell:
        COMMAND


rule unsupervised:
    output:
        executed("02_unsupervised"), f"runs/{run}/unsupervised.npz",
        figures("fig_unsupervised_examples", "fig_unsupervised_failures"),
        tables("tab_unsupervised", "tab_unsupervised_failures"),
    params:
        notebook="02_unsupervised",
        fingerprint=plan["02_unsupervised"]["fingerprint"],
    shell:
        COMMAND


rule vgg16:
    output:
        executed("03_vgg16"),
        figures("fig02_architecture", "fig03_loss_curves"),
        tables("tab01_hyperparameters", "tab_layers", "tab_training", "tab_pooling", "tab_leakage"),
    params:
        notebook="03_vgg16",
        fingerprint=plan["03_vgg16"]["fingerprint"],
    priority: 1  # the longest chain hangs on it
    threads: wanted
    resources:
        gpu=1,
    shell:
        COMMAND


rule augmentation:
    input:
        needed("04_augmentation"),
    output:
        executed("04_augmentation"),
        figures("fig_augmentation_examples", "fig_augmentation_paired"),
        tables("tab_augmentation"),
    params:
        notebook="04_augmentation",
        fingerprint=plan["04_augmentation"]["fingerprint"],
    threads: wanted
    resources:
        gpu=1,
    shell:
        COMMAND


rule results:
    input:
        needed("05_results"),
    output:
        executed("05_results"),
        figures("fig04_comparison", "fig05_comparison", "fig06_comparison", "fig_error_maps"),
        tables("tab02_results", "tab_metrics"),
    params:
        notebook="05_results",
        fingerprint=plan["05_results"]["fingerprint"],
    resources:
        gpu=1,
    shell:
        COMMAND


rule refinement:
    output:
        executed("06_refinement"),
        figures("fig_refinement_losses", "fig_refinement_hair"),
        tables("tab_refinement", "tab_refinement_effects"),
    params:
        notebook="06_refinement",
        fingerprint=plan["06_refinement"]["fingerprint"],
    threads: wanted
    resources:
        gpu=1,
    shell:
        COMMAND


rule benchmarks:
    input:
        needed("07_benchmarks"),
    output:
        executed("07_benchmarks"),
        figures("fig_benchmarks"),
        tables("tab_benchmarks", "tab_benchmarks_ranks"),
    params:
        notebook="07_benchmarks",
        fingerprint=plan["07_benchmarks"]["fingerprint"],
    threads: wanted
    resources:
        gpu=1,
    shell:
        COMMAND


rule collect:
    input:
        sources, [record(notebook) for notebook in plan],
    output:
        f"reports/{run}/run.json", f"reports/{run}/index.html",
    shell:
        f"exec {PYTHON} -m lib.collect --run {run}"


# HTML and PDF from reports/article/paper.md and what all other steps wrote.
rule article:
    input:
        f"reports/{run}/run.json",
    output:
        f"reports/{run}/paper.html", f"reports/{run}/paper.pdf", f"reports/{run}/abstract.md",
        f"reports/{run}/tables/tab_claims.csv", f"reports/{run}/tables/tab_claims.md", figures("fig_workflow"),
    shell:
        f"exec {PYTHON} -m lib.article --run {run}"


# Every declared file, not only run.json: a figure that somebody removed is made again.
rule all:
    default_target: True
    input:
        rules.data.output, rules.unsupervised.output, rules.vgg16.output, rules.augmentation.output,
        rules.results.output, rules.refinement.output,
        rules.benchmarks.output, rules.collect.output, rules.article.output,
