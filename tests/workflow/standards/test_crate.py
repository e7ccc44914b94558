"""The crate of a small run, read by tools that are not ours: roc-validator's profile, rocrate, git."""

import json
import shutil
import subprocess
import sys
from datetime import datetime
from importlib.resources import files
from pathlib import Path

import pytest

from lib.base import file_digest
from workflow.standards import crate

CRATE_TERMS, RUN_TERMS = "https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"
# rocrate carries RO-Crate's terms (CC0) as version 1.3 has them; 1.1 spells these otherwise.
OF_1_1 = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}
OF_RUNS = ("ParameterConnection", "connection", "sha256", "environment", "resourceUsage", "containerImage")


@pytest.fixture(scope="module")
def folder(built) -> Path:
    return built[0] / "reports" / "smoke"


@pytest.fixture(scope="module")
def entities(folder) -> dict[str, dict]:
    graph = json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]
    assert len({each["@id"] for each in graph}) == len(graph)
    return {each["@id"]: each for each in graph}


def listed(value) -> list:
    return value if isinstance(value, list) else [value]


def of_type(entities: dict[str, dict], kind: str) -> list[dict]:
    return [each for each in entities.values() if kind in listed(each["@type"])]


@pytest.fixture
def validated(tmp_path, monkeypatch):
    """roc-validator's verdict on a folder; whatever it asks the network for is answered here or refused."""
    validator = pytest.importorskip("rocrate_validator.services", reason="roc-validator is not installed")
    import requests
    from rocrate_validator.models import Severity, ValidationSettings
    from rocrate_validator.utils.http import HttpRequester

    terms = json.loads(files("rocrate").joinpath("data/ro-crate.jsonld").read_text())["@context"]
    contexts = {
        CRATE_TERMS: terms | OF_1_1,
        RUN_TERMS: {each: f"https://w3id.org/ro/terms/workflow-run#{each}" for each in OF_RUNS},
    }

    def get(_, url: str, **__) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer.url = 200 if url in contexts else 504, url
        answer._content = json.dumps({"@context": contexts.get(url, {})}).encode()
        answer.headers["Content-Type"] = "application/ld+json"
        return answer

    monkeypatch.setattr(HttpRequester, "get", get, raising=False)

    def verdict(place: Path):
        settings = ValidationSettings(
            rocrate_uri=str(place),
            profile_identifier="provenance-run-crate-0.5",
            requirement_severity=Severity.REQUIRED,
            offline=True,
            cache_path=tmp_path / "http",
        )
        return validator.validate(settings)

    return verdict


def test_it_is_a_provenance_run_crate(validated, folder, tmp_path):
    found = validated(shutil.copytree(folder, tmp_path / "crate"))  # the validator takes no braces in a path
    assert found.passed(), [issue.message for issue in found.get_issues()]
    assert len(found.executed_checks) > 50


def test_the_validator_would_see_a_fault(validated, folder, tmp_path):
    """A step without its tool, and a file that is not there."""
    content = json.loads((folder / "ro-crate-metadata.json").read_text())
    next(each for each in content["@graph"] if each["@type"] == "HowToStep").pop("workExample")
    (tmp_path / "crate").mkdir()
    (tmp_path / "crate" / "ro-crate-metadata.json").write_text(json.dumps(content))
    told = " ".join(issue.message for issue in validated(tmp_path / "crate").get_issues())
    assert "A HowToStep must refer to its corresponding tool via workExample" in told
    assert "does not include the Data Entity 'run.json'" in told


def test_each_notebook_has_the_times_parameters_and_results_of_its_record(folder, entities):
    made = json.loads((folder / "run.json").read_text())
    actions = {each["name"].removeprefix("Run of "): each for each in of_type(entities, "CreateAction")}
    assert set(made["steps"]) < set(actions)
    for name, step in made["steps"].items():
        action = actions[name]
        start, end = (datetime.fromisoformat(action[key]).timestamp() for key in ("startTime", "endTime"))
        assert end == step["finished"] and 0 <= end - start - step["wall_seconds"] < 1
        given = [entities[each["@id"]] for each in listed(action["object"])]
        values = {each["name"]: each["value"] for each in given if each["@type"] == "PropertyValue"}
        assert {key: json.loads(value) if isinstance(value, str) else value for key, value in values.items()} == step[
            "parameters"
        ]
        results = {entities[each["@id"]]["name"] for each in listed(action["result"])}
        kept = {file for file in step["outputs"] if not file.startswith("runs/") and not file.endswith(f"{name}.html")}
        assert kept <= results
    whole = {entities[each["@id"]]["name"] for each in entities["#run-smoke"]["result"]}
    assert {"reports/smoke/paper.pdf", "reports/smoke/run.json"} <= whole


def test_what_is_handed_on_leads_from_notebook_to_notebook(folder, entities):
    steps = json.loads((folder / "run.json").read_text())["steps"]
    for name, step in steps.items():
        given = {each["@id"] for each in listed(entities[f"#run-{name}"]["object"])}
        for need in step["needs"]:
            work = f"#work-{need}"
            assert work in given and work in {each["@id"] for each in listed(entities[f"#run-{need}"]["result"])}


def test_files_are_what_the_crate_says(built, entities):
    found = of_type(entities, "File")
    assert any(each["@id"].startswith("swh:1:cnt:") for each in found)
    for each in found:
        path = built[0] / "reports/smoke/Snakefile" if each["@id"] == "Snakefile" else built[0] / each["name"]
        assert file_digest(path) == each["sha256"] and path.stat().st_size == int(each["contentSize"])
        assert each["@id"].startswith("swh:1:cnt:") or (built[0] / "reports/smoke" / each["@id"]).samefile(path)


def test_names_of_files_elsewhere_are_gits(tmp_path):
    file = tmp_path / "a b"
    file.write_bytes(b"some\0bytes\n")
    git = subprocess.run(["git", "hash-object", "--no-filters", file], capture_output=True, text=True, check=True)
    assert crate.swhid(file, tmp_path) == f"swh:1:cnt:{git.stdout.strip()};path=/a%20b"


def test_it_names_no_directory_of_this_machine_and_none_outside(built, folder, entities):
    text = (folder / "ro-crate-metadata.json").read_text()
    assert str(built[0]) not in text and str(Path.home()) + "/" not in text and "/tmp/" not in text
    assert not [name for name in entities if name.startswith(("/", "file:")) or ".." in name]


def test_made_again_it_is_the_same_and_rocrate_reads_it(built, folder):
    from rocrate.rocrate import ROCrate

    names = ("checklist.md", "Snakefile", "ro-crate-metadata.json")
    before = [(folder / name).read_bytes() for name in names]
    done = made_again(built[0])
    assert done.returncode == 0, done.stderr
    assert [(folder / name).read_bytes() for name in names] == before
    read = ROCrate(folder)
    assert read.mainEntity.id == "Snakefile" and len(read.mainEntity["step"]) == len(read.mainEntity["hasPart"])


def test_a_file_of_the_run_that_is_gone_is_named(built):
    figures, elsewhere = built[0] / "figures/smoke", built[0] / "figures/elsewhere"
    figures.rename(elsewhere)
    try:
        done = made_again(built[0])
    finally:
        elsewhere.rename(figures)
        (built[0] / "runs/smoke/steps/standards.error").unlink(missing_ok=True)
    assert done.returncode == 2 and "expected the file that run.json names, found none; run `make paper`" in done.stdout


def made_again(root: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "workflow.standards.of_run", "--run", "smoke"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)
