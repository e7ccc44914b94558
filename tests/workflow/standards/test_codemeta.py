"""codemeta.json, against CITATION.cff, pyproject.toml and the vocabulary of schema.org that rocrate carries."""

import json
from importlib.resources import files

import yaml

from lib.base import ROOT
from workflow.standards import codemeta

OF_CODEMETA = {"readme", "referencePublication"}  # its own terms, codemeta.github.io/terms
KEYWORDS = {"@context", "type", "id"}


def test_it_is_what_the_project_says_today():
    assert (ROOT / codemeta.NAME).read_text() == codemeta.text(), "run `make readme`"


def test_it_names_the_authors_and_every_package_of_the_paper():
    found = json.loads(codemeta.text())
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert found["name"] == cited["title"] and found["version"] == cited["version"]
    assert found["license"].endswith(cited["license"])
    assert len(found["author"]) == len(cited["authors"]) and len(found["referencePublication"]) == len(
        cited["references"]
    )
    assert {"torch", "numpy", "rocrate"} <= {each["name"] for each in found["softwareRequirements"]}
    assert found["referencePublication"][0]["author"][0]["familyName"] == "Lang"


def test_its_terms_are_schema_orgs_or_codemetas():
    known = {
        each["@id"].split(":")[-1]
        for each in json.loads(files("rocrate").joinpath("data/schema.jsonld").read_text())["@graph"]
    }

    def terms(node):
        if isinstance(node, list):
            return set().union(*map(terms, node))
        return set(node) | {node["type"]} | set().union(*map(terms, node.values())) if isinstance(node, dict) else set()

    assert {term for term in terms(json.loads(codemeta.text())) if term} - KEYWORDS - OF_CODEMETA <= known


def test_a_person_with_an_orcid_and_a_repository_are_told(tmp_path):
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    cited["authors"] = [{"family-names": "Doe", "given-names": "Jo", "orcid": "https://orcid.org/0000-0002-1825-0097"}]
    cited["repository-code"] = "https://example.org/matting"
    (tmp_path / "CITATION.cff").write_text(yaml.safe_dump(cited))
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    found = json.loads(codemeta.text(tmp_path))
    assert found["codeRepository"] == "https://example.org/matting"
    person = {"type": "Person", "givenName": "Jo", "familyName": "Doe", "id": "https://orcid.org/0000-0002-1825-0097"}
    assert found["author"] == [person]
