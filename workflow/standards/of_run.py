"""What a run leaves for tools and reviewers: `python -m workflow.standards.of_run --run quick`, when all else is made.

reports/<run>/checklist.md, filled like the article; Snakefile, a copy, so that the crate is whole by itself; and
ro-crate-metadata.json.
"""

from lib.base import ROOT, UserError, reports_dir, write_atomically
from workflow import record
from workflow.article import typed_numbers
from workflow.standards import crate
from workflow.text.render import render

CHECKLIST = ROOT / "reports" / "article" / "checklist.md"


def write(run: str) -> None:
    """Write the three files. UserError for what the checklist quotes and the run lacks, and for a result typed into it."""
    if typed := typed_numbers(CHECKLIST.read_text()):
        raise UserError(
            f"reports/article/checklist.md: expected every result from a placeholder, found typed {', '.join(typed)}; "
            "quote a value instead."
        )
    folder = reports_dir(run)
    write_atomically(folder / "checklist.md", (render(CHECKLIST, run).strip() + "\n").encode())
    write_atomically(folder / "Snakefile", (ROOT / "workflow" / "Snakefile").read_bytes())
    write_atomically(folder / "ro-crate-metadata.json", crate.text(run).encode())


def main() -> None:
    record.ending(__doc__, "standards", write)


if __name__ == "__main__":
    main()
