"""data/croissant.json: what a loader of data sets, or a search for them, reads of data/ (Croissant, MLCommons).

Written by mlcroissant from the manifests and, in words, from data/README.md. A record joins a row of a manifest and its picture.
"""

import hashlib
import json
import re
from pathlib import Path

import mlcroissant as mlc
import pandas as pd

from lib.base import ROOT
from workflow.standards.codemeta import citation

NAME = "data/croissant.json"
MIT, CC0 = "https://spdx.org/licenses/MIT.html", "https://creativecommons.org/publicdomain/zero/1.0/"
CONTENTS = {
    "portraits": "A rendered person, straight RGBA: colours that are not multiplied by alpha.",
    "sequences": "The frames of a rendered person who moves, one below the other, straight RGBA.",
    "backgrounds": "A place out of focus, cut out of a panorama.",
}
COLUMNS = {
    "id": "Name of the picture, without its ending.",
    "seed": "What the person or the clip was drawn from.",
    "split": "To train on or to test on; by person, for backgrounds by panorama.",
    "sha256": "SHA-256 of the picture's file, in hex.",
    "parameters": "Every parameter of the rendering, as JSON.",
    "panorama": "Which of Blender's eight panoramas.",
    "azimuth": "Direction of the view in degrees.",
    "height": "Angle of the view above the horizon in degrees.",
    "field": "Field of view in degrees.",
    "focus": "Radius of the blur, as part of the picture's height.",
}


def text(root: Path = ROOT) -> str:
    """The whole file, JSON-LD."""
    said, cited = _bullets((root / "data" / "README.md").read_text()), citation(root)
    context = mlc.Context(conforms_to="http://mlcommons.org/croissant/1.1")
    metadata = mlc.Metadata(
        ctx=context,
        name="image-matting-portraits",
        description="Rendered people with exact alpha, clips of them, and backgrounds. Shows no real person in the foreground.",
        license=[MIT, CC0],
        creators=[mlc.Organization(ctx=context, name=author["name"]) for author in cited["authors"] if "name" in author]
        + [
            mlc.Person(ctx=context, name=f"{author['given-names']} {author['family-names']}")
            for author in cited["authors"]
            if "name" not in author
        ],
        cite_as=f"{cited['title']}, version {cited['version']}",
        version=cited["version"],
        url=cited.get("repository-code", "README.md"),
        date_published=cited.get("date-released"),
        keywords=["image matting", "alpha matte", "portrait", "synthetic"],
        data_collection=said["How made"],
        data_biases=[said["Ranges"]],
        data_limitations=[said["Known unrealism"]],
        personal_sensitive_information=[
            "Bodies and faces are rendered from drawn parameters and are nobody's. Passers-by far away and out of focus may "
            "be in backgrounds."
        ],
        distribution=[each for folder in CONTENTS for each in _files(context, folder, root)],
        record_sets=[_splits(context), *(_records(context, folder, root) for folder in CONTENTS)],
    )
    return json.dumps(metadata.to_json(), indent=2, ensure_ascii=False, default=str) + "\n"


def _files(context: mlc.Context, folder: str, root: Path) -> list[mlc.FileObject | mlc.FileSet]:
    manifest = root / "data" / folder / "manifest.csv"
    return [
        mlc.FileObject(
            ctx=context,
            id=f"{folder}-manifest",
            name=f"{folder}/manifest.csv",
            content_url=f"{folder}/manifest.csv",
            content_size=f"{manifest.stat().st_size} B",
            encoding_formats=["text/csv"],
            sha256=hashlib.sha256(manifest.read_bytes()).hexdigest(),
        ),
        mlc.FileSet(
            ctx=context,
            id=f"{folder}-pictures",
            name=f"{folder}/*.webp",
            # mlcroissant 1.1 reads JPEG and PNG, and these without alpha. As its second name for the format it gets one under
            # which it hands the bytes on, and opens them with Pillow, alpha and all.
            encoding_formats=["image/webp", "text/plain"],
            includes=[f"{folder}/*.webp"],
        ),
    ]


def _splits(context: mlc.Context) -> mlc.RecordSet:
    fields = [
        mlc.Field(ctx=context, id="splits/name", name="name", data_types=[mlc.DataType.TEXT]),
        mlc.Field(ctx=context, id="splits/url", name="url", data_types=[mlc.DataType.URL]),
    ]
    kinds = {"train": "cr:TrainingSplit", "test": "cr:TestSplit"}
    return mlc.RecordSet(
        ctx=context,
        id="splits",
        name="splits",
        key=["splits/name"],
        data_types=[mlc.DataType.SPLIT],
        fields=fields,
        data=[{"splits/name": name, "splits/url": kind} for name, kind in kinds.items()],
    )


def _records(context: mlc.Context, folder: str, root: Path) -> mlc.RecordSet:
    rows = pd.read_csv(root / "data" / folder / "manifest.csv")
    return mlc.RecordSet(
        ctx=context,
        id=folder,
        name=folder,
        key=[f"{folder}/id"],
        description=f"{len(rows)} records. {CONTENTS[folder]}",
        fields=[*(_column(context, folder, rows[name]) for name in rows), _picture(context, folder)],
    )


def _column(context: mlc.Context, folder: str, column: pd.Series) -> mlc.Field:
    """A column of a manifest. Its first, id, is read off the pictures' names: there mlcroissant joins the two."""
    kind = {"i": mlc.DataType.INTEGER, "f": mlc.DataType.FLOAT}.get(column.dtype.kind, mlc.DataType.TEXT)
    extract = mlc.Extract(ctx=context, column=column.name)
    source = mlc.Source(ctx=context, file_object=f"{folder}-manifest", extract=extract)
    references = mlc.Source(ctx=context, field="splits/name") if column.name == "split" else None
    if column.name == "id":
        ending = mlc.Transform(ctx=context, regex=r"^(.+?)(?:\.webp)?$")
        source, references = _of_picture(context, folder, "filename", ending), source
    return mlc.Field(
        ctx=context,
        id=f"{folder}/{column.name}",
        name=column.name,
        description=COLUMNS[column.name],
        data_types=[kind],
        source=source,
        references=references,
    )


def _picture(context: mlc.Context, folder: str) -> mlc.Field:
    return mlc.Field(
        ctx=context,
        id=f"{folder}/picture",
        name="picture",
        description=CONTENTS[folder],
        data_types=[mlc.DataType.IMAGE_OBJECT],
        source=_of_picture(context, folder, "content"),
    )


def _of_picture(context: mlc.Context, folder: str, what: str, *transforms: mlc.Transform) -> mlc.Source:
    extract = mlc.Extract(ctx=context, file_property=what)
    return mlc.Source(ctx=context, file_set=f"{folder}-pictures", extract=extract, transforms=list(transforms))


def _bullets(card: str) -> dict[str, str]:
    """The card's entries by their bold names, each on one line."""
    found = re.findall(r"^- \*\*(.+?)\*\*:? (.*?)(?=\n- |\n\n|\Z)", card, re.M | re.S)
    return {name: " ".join(words.split()) for name, words in found}
