"""ro-crate-metadata.json of a run: who made what, from what, when, for tools that read research objects.

Profile: Provenance Run Crate 0.5 of Workflow Run RO-Crate (https://w3id.org/ro/wfrun/provenance/0.5), on RO-Crate 1.1; written
by rocrate. Its root is reports/<run>. What lies elsewhere in the repository, like figures, is named by its content and its
path there: the SWHID (ISO/IEC 18670), whose hash is that of git, so `git cat-file -p HASH` shows the file in a clone.
"""

import hashlib
import json
import mimetypes
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from rocrate.model import ComputationalWorkflow, ContextEntity, DataEntity, File
from rocrate.model.computerlanguage import snakemake
from rocrate.rocrate import ROCrate

from lib import provenance
from lib.base import ROOT, UserError, file_digest, reports_dir
from lib.experiments import parameters
from workflow import record, steps, values
from workflow.standards.codemeta import LICENCE, citation

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
PARAMETER = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"
WORKFLOW = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
DONE = "http://schema.org/CompletedActionStatus"
KINDS = {bool: "Boolean", int: "Integer", float: "Float", str: "Text"}
FORMATS = {
    ".ipynb": "application/x-ipynb+json",
    ".md": "text/markdown",
    ".tex": "application/x-tex",
    ".webp": "image/webp",
}
OUTPUTS = {  # what a run gives, and the files that are it
    "article": "The article as a page, as PDF, and its abstract.",
    "notebooks": "The notebooks as they were executed.",
    "tables": "Tables as CSV, Markdown and LaTeX.",
    "figures": "Figures as PNG and PDF.",
    "values": "Every number that a text quotes, by name, and the errors of single images under it.",
    "records": "How each number was made.",
}


def text(run: str) -> str:
    """The whole file, JSON-LD; the same files give the same text. UserError for a file of the run that is not there."""
    made = record.read(reports_dir(run))
    found = _compact(_Crate(run, made).crate.metadata.generate())
    written = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    for step in made["steps"].values():
        written = provenance.anonymous(written, step["parameters"])
    return written


class _Crate:
    """The crate of a run, as it grows: each entity is added once."""

    def __init__(self, run: str, made: dict):
        self.run, self.made, self.folder = run, made, reports_dir(run)
        self.crate = ROCrate(version="1.1")
        self.crate.metadata.extra_contexts.append(TERMS)
        cited = citation()
        self.authors = [self._author(author) for author in cited["authors"]]
        self.licence = self.other(
            LICENCE + cited["license"], "CreativeWork", name=cited["license"], identifier=LICENCE + cited["license"]
        )
        self.packages = [self._package(name, version) for name, version in made["packages"].items()]
        self.outputs = {
            name: self.other(
                f"#output-{name}",
                "FormalParameter",
                name=name,
                description=meaning,
                additionalType="File",
                conformsTo=self.profile(PARAMETER, "FormalParameter"),
            )
            for name, meaning in OUTPUTS.items()
        }
        actions = {name: self._notebook(name, step) for name, step in made["steps"].items()}
        whole = self._whole(cited, actions)
        self._root(cited, [whole, *actions.values()])

    def other(self, uri: str, kind: str, /, **properties) -> ContextEntity:
        """The entity of that @id, added if it is new."""
        if (known := self.crate.get(uri)) is not None:
            return known
        entity = ContextEntity(self.crate, uri, properties={"@type": kind})
        for key, value in properties.items():
            if value not in (None, [], ""):
                entity[key] = value
        return self.crate.add(entity)

    def file(self, path: str) -> DataEntity:
        """A file of the repository, by its path there. In the crate's folder it is named by its path, else by its SWHID."""
        place = ROOT / path
        if not place.is_file():
            raise UserError(f"{path}: expected the file that run.json names, found none; run `make paper`.")
        inside = place.is_relative_to(self.folder)
        name = place.relative_to(self.folder).as_posix() if inside else swhid(place)
        if (known := self.crate.get(name)) is not None:
            return known
        properties = {
            "@type": "File",
            "name": path,
            "encodingFormat": FORMATS.get(place.suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream",
            "contentSize": str(place.stat().st_size),
            "sha256": file_digest(place),
        }
        if inside:
            return self.crate.add(File(self.crate, place, name, properties=properties))
        return self.crate.add(DataEntity(self.crate, name, properties=properties))

    def result(self, path: str) -> DataEntity:
        """A file that the run made, as an example of the output that it is."""
        entity = self.file(path)
        if "exampleOfWork" not in entity:
            output = self.outputs[_kind(path)]
            entity["exampleOfWork"] = output
            output.append_to("workExample", entity)
        return entity

    def profile(self, name: str, words: str) -> ContextEntity:
        version = name.rsplit("/", 1)[-1]
        return self.other(name, "CreativeWork", name=words, version=version)

    def _author(self, author: dict) -> ContextEntity:
        if "family-names" not in author:
            return self.other("#" + author["name"].replace(" ", "-"), "Organization", name=author["name"])
        name = " ".join(filter(None, (author.get("given-names"), author["family-names"])))
        return self.other(author.get("orcid", "#" + name.replace(" ", "-")), "Person", name=name)

    def _package(self, name: str, version: str) -> ContextEntity:
        page = f"pkg:pypi/{name}@{version}"  # a package URL, which names no server
        return self.other(page, "SoftwareApplication", name=name, softwareVersion=version, url=page)

    def _parameter(self, name: str, value: object) -> tuple[ContextEntity, ContextEntity]:
        """A parameter, and the value that it had in a notebook."""
        formal = self.other(
            f"#parameter-{name}",
            "FormalParameter",
            name=name,
            description=parameters.FIELDS[name].description if name in parameters.FIELDS else None,
            additionalType=KINDS[type(value)],
            defaultValue=json.dumps(parameters.defaults().get(name)),
            conformsTo=self.profile(PARAMETER, "FormalParameter"),
        )
        given = self.other(
            f"#{name}={hashlib.sha256(json.dumps(value).encode()).hexdigest()[:12]}",
            "PropertyValue",
            name=name,
            value=value if isinstance(value, int | float) and not isinstance(value, bool) else json.dumps(value),
            exampleOfWork=formal,
        )
        if given.id not in [each["@id"] for each in formal.properties().get("workExample", [])]:
            formal.append_to("workExample", given)
        return formal, given

    def _notebook(self, name: str, step: dict) -> ContextEntity:
        """The action of one notebook, and the notebook as its tool."""
        source = ROOT / "notebooks" / f"{name}.ipynb"
        given = [self._parameter(each, value) for each, value in step["parameters"].items()]
        results = [self.result(path) for path in step["outputs"] if _kept(path)]
        tool = self.other(
            swhid(source),
            "SoftwareApplication",
            name=f"notebooks/{name}.ipynb",
            description=f"Fingerprint of its code and of the code that it imports: {step['fingerprint']}.",
            softwareVersion=step["commit"] or "unknown",
            softwareRequirements=self.packages,
            input=[formal for formal, _ in given],
            output=sorted({each["exampleOfWork"].id: each["exampleOfWork"] for each in results}.values(), key=_name),
        )
        reads = steps.STEPS[name].reads if name in steps.STEPS else ()
        handed_on = [self._working_files(need) for need in step["needs"]]
        needed = [need for other in self.made["steps"].values() for need in other["needs"]]
        return self.other(
            f"#run-{name}",
            "CreateAction",
            name=f"Run of {name}",
            description=values.read(self.run, name)["answer"],
            startTime=_when(step["finished"] - step["wall_seconds"]),
            endTime=_when(step["finished"]),
            actionStatus=DONE,
            agent=self.authors,
            instrument=tool,
            object=[value for _, value in given]
            + [self._data(name, step), *handed_on, *(self.file(path) for path in reads)],
            result=results + ([self._working_files(name)] if name in needed else []),
            resourceUsage=[
                self._usage(name, "peak memory", "ru_maxrss", step["peak_memory_bytes"], "BYTE"),
                self._usage(name, "wall time", "wall_seconds", step["wall_seconds"], "SEC"),
            ],
        )

    def _usage(self, name: str, words: str, key: str, value: float, unit: str) -> ContextEntity:
        unit = f"https://qudt.org/vocab/unit/{unit}"
        return self.other(f"#{key}-{name}", "PropertyValue", name=words, propertyID=key, value=value, unitCode=unit)

    def _data(self, name: str, step: dict) -> ContextEntity:
        """What a notebook read, as run.json has it: a source, and sums of all that it opened."""
        return self.other(
            f"#data-{name}",
            "CreativeWork",
            name=f"Data of {name}: {step['parameters'].get('data', 'of the repository')}",
            description="Fingerprints of the images and files that it opened; data/croissant.json describes those that ship.",
            identifier=step["data"].split(),
        )

    def _working_files(self, name: str) -> ContextEntity:
        words = f"Trainings and predictions of {name}"
        return self.other(f"#work-{name}", "CreativeWork", name=words, description="Working files, not kept.")

    def _whole(self, cited: dict, actions: dict[str, ContextEntity]) -> ContextEntity:
        """The workflow, its steps, and the run of all."""
        made, language = self.made, snakemake(self.crate, self.made["packages"]["snakemake"])
        self.crate.add(language)
        for key, value in list(language.properties().items()):  # addresses as words: they are no entities of the crate
            if isinstance(value, dict):
                language[key] = value["@id"]
        workflow = ComputationalWorkflow(self.crate, self.folder / "Snakefile", "Snakefile")
        self.crate.add(workflow)
        workflow.properties()["@type"] = ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]
        tools = {name: action["instrument"] for name, action in actions.items()}
        tool_steps = [
            self.other(f"#step-{name}", "HowToStep", name=name, position=str(number), workExample=tool)
            for number, (name, tool) in enumerate(tools.items(), 1)
        ]
        for key, value in {
            "name": cited["title"],
            "description": "One rule a notebook, then the article. A copy of workflow/Snakefile; it runs from the repository.",
            "conformsTo": self.profile(WORKFLOW, "ComputationalWorkflow"),
            "version": made["commit"] or "unknown",
            "url": cited.get("repository-code"),
            "license": self.licence,
            "creator": self.authors,
            "programmingLanguage": language,
            "encodingFormat": "text/x-python",
            "contentSize": str((self.folder / "Snakefile").stat().st_size),
            "sha256": file_digest(self.folder / "Snakefile"),
            "input": sorted({each.id: each for tool in tools.values() for each in tool["input"]}.values(), key=_name),
            "output": list(self.outputs.values()),
            "hasPart": list(tools.values()),
            "step": tool_steps,
        }.items():
            if value is not None:
                workflow[key] = value
        start = min(step["finished"] - step["wall_seconds"] for step in made["steps"].values())
        results = {each["@id"]: each for action in actions.values() for each in action.properties()["result"]}
        ending = [
            self.result(path)
            for path in (*steps.record_outputs(self.run), *steps.article_outputs(self.run))
            if _kept(path)
        ]
        given = {each["@id"]: each for action in actions.values() for each in action.properties()["object"]}
        whole = self.other(
            f"#run-{self.run}",
            "CreateAction",
            name=f"Run {self.run} of the paper",
            description=f"{made['processor']}, {made['cores']} cores, {made['memory_bytes'] / 2**30:.0f} GiB, GPU: {made['gpu']}; "
            f"{made['system']}, Python {made['python']}.",
            startTime=_when(start),
            endTime=_when(max(step["finished"] for step in made["steps"].values())),
            actionStatus=DONE,
            agent=self.authors,
            instrument=workflow,
            object=[*given.values(), self.file("requirements.lock")],
            result=[*results.values(), *ending, self.result(f"reports/{self.run}/checklist.md")],
        )
        controls = [
            self.other(f"#control-{name}", "ControlAction", name=f"Step {name}", instrument=one, object=action)
            for one, (name, action) in zip(tool_steps, actions.items(), strict=True)
        ]
        engine = self._package("snakemake", made["packages"]["snakemake"])
        self.other(
            f"#organize-{self.run}",
            "OrganizeAction",
            name=f"Snakemake's run of {self.run}",
            instrument=engine,
            object=controls,
            result=whole,
            agent=self.authors,
        )
        self.crate.root_dataset["mainEntity"] = workflow
        return whole

    def _root(self, cited: dict, actions: list[ContextEntity]) -> None:
        root = self.crate.root_dataset
        root["name"] = f"{cited['title']}: run {self.run}"
        root["description"] = "Article, notebooks, tables, figures and values of one run, and what made them."
        root["datePublished"] = actions[0]["endTime"]
        root["license"] = self.licence
        root["author"] = self.authors
        if publishers := [each for each in self.authors if each.type == "Organization"]:
            root["publisher"] = publishers
        root["conformsTo"] = [self.profile(each, words) for each, words in PROFILES.items()]
        root["mentions"] = actions
        self.crate.metadata["conformsTo"] = [
            {"@id": "https://w3id.org/ro/crate/1.1"},
            {"@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0"},
        ]


def swhid(path: Path, root: Path = ROOT) -> str:
    """The name of a file by its content, swh:1:cnt:<hash>;path=/<path>. hash: SHA-1 of git's blob. swhid.org, ISO/IEC 18670."""
    content = path.read_bytes()
    blob = b"blob %d\0" % len(content) + content
    found = hashlib.sha1(blob, usedforsecurity=False).hexdigest()
    return f"swh:1:cnt:{found};path=/{quote(path.relative_to(root).as_posix())}"


def _compact(found: dict) -> dict:
    """A list of one as that one, which the specification recommends."""
    alone = [
        {key: value[0] if isinstance(value, list) and len(value) == 1 else value for key, value in entity.items()}
        for entity in found["@graph"]
    ]
    return found | {"@graph": alone}


def _kept(path: str) -> bool:
    """Whether a file of a run stays in git: no page that is made of another file, and no working file."""
    return not path.startswith("runs/") and (not path.endswith(".html") or path.endswith("/paper.html"))


def _kind(path: str) -> str:
    """Which of OUTPUTS a file of a run is."""
    parts = path.split("/")
    if parts[0] == "figures" or parts[2] in ("tables", "values"):
        return parts[0] if parts[0] == "figures" else parts[2]
    if parts[-1] == "abstract.md" or parts[-1].startswith("paper."):
        return "article"
    return "notebooks" if parts[-1].endswith(".ipynb") else "records"


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def _name(entity: ContextEntity) -> str:
    return entity["name"]
