"""What tests write notebooks with."""

import json

PARAMETERS = {"run": "smoke", "data": "portraits", "data_dir": "", "images": 8, "seed": 0, "epochs": 1}


def notebook(cells: list[tuple[str, list[str], str]]) -> str:
    """The JSON of a notebook of (kind, tags, source) cells."""
    made = []
    for number, (kind, tags, source) in enumerate(cells):
        cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {"tags": tags}, "source": source}
        made.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


def small_notebook(name: str, body: str) -> str:
    """A notebook with the parameters, `body`, and the values that every notebook must leave."""
    parameters = "\n".join(f"{key} = {value!r}" for key, value in PARAMETERS.items())
    end = (f"from lib.output import values\nvalues.write({{'run': run, 'epochs': epochs}}, '{name}', f'{{epochs}} epochs',\n"
           "             {'epochs': epochs})")
    return notebook([("markdown", [], "# Title\n\n<!-- answer -->\n*Written by the run.*"),
                     ("code", ["parameters"], parameters), ("code", [], "import json\nfrom pathlib import Path\n" + body),
                     ("code", [], end)])
