"""codemeta.json, from CITATION.cff and pyproject.toml: what software archives and their search read (codemeta.github.io).

Of our own: the libraries that would write it (cffconvert, codemetapy) want packages older than the paper's.
"""

import json
import re
import tomllib
from pathlib import Path

import yaml

from lib.base import ROOT

NAME = "codemeta.json"
LICENCE = "https://spdx.org/licenses/"


def citation(root: Path = ROOT) -> dict:
    """What CITATION.cff says."""
    return yaml.safe_load((root / "CITATION.cff").read_text())


def text(root: Path = ROOT) -> str:
    """The whole file, CodeMeta 3.0 as JSON-LD. What CITATION.cff does not say, like a repository, is left out."""
    cited, project = citation(root), tomllib.loads((root / "pyproject.toml").read_text())["project"]
    said = {
        "@context": "https://w3id.org/codemeta/3.0",
        "type": "SoftwareSourceCode",
        "name": cited["title"],
        "identifier": cited.get("doi") or project["name"],
        "description": project["description"],
        "version": project["version"],
        "license": LICENCE + project["license"],
        "author": [agent(author) for author in cited["authors"]],
        "codeRepository": cited.get("repository-code"),
        "url": cited.get("url"),
        "datePublished": str(cited["date-released"]) if "date-released" in cited else None,
        "keywords": cited.get("keywords"),
        "programmingLanguage": "Python",
        "runtimePlatform": f"Python {project['requires-python']}",
        "operatingSystem": "Linux",
        "softwareRequirements": [_package(each) for each in _required(project)],
        "readme": project["readme"],
        "referencePublication": [_work(each) for each in cited.get("references", [])],
    }
    return json.dumps({key: value for key, value in said.items() if value}, indent=2, ensure_ascii=False) + "\n"


def agent(author: dict) -> dict:
    """An author of CITATION.cff as a Person, or as an Organization where no one is named."""
    if "family-names" not in author:
        return {"type": "Organization", "name": author["name"]}
    person = {"type": "Person", "givenName": author.get("given-names", ""), "familyName": author["family-names"]}
    return person | ({"id": author["orcid"]} if "orcid" in author else {})


def _required(project: dict) -> list[str]:
    """Requirements of the paper, each as pyproject.toml has it."""
    return [*project["dependencies"], *project["optional-dependencies"]["paper"]]


def _package(requirement: str) -> dict:
    name, version = re.fullmatch(r"([\w.-]+)(.*)", requirement).groups()
    kind = {"type": "SoftwareApplication", "name": name, "identifier": name, "version": version}
    return kind | {"provider": {"type": "Organization", "name": "The Python Package Index"}}


def _work(reference: dict) -> dict:
    return {
        "type": "ScholarlyArticle" if "paper" in reference["type"] or reference["type"] == "article" else "Report",
        "name": reference["title"],
        "author": [agent(author) for author in reference["authors"]],
        "datePublished": str(reference["year"]),
    }
