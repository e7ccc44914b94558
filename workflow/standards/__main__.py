"""Write codemeta.json and data/croissant.json: `python -m workflow.standards`, which `make readme` calls."""

from lib.base import ROOT, write_atomically
from workflow.standards import codemeta, croissant

for module in (codemeta, croissant):
    write_atomically(ROOT / module.NAME, module.text().encode())
