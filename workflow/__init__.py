"""The workflow: what is stale, what runs, and what is told of it."""

import sys

# As nbformat is imported, jsonschema compiles the grammar of international web addresses, for two seconds of every step. No notebook
# is checked for such; without the package that has the grammar, jsonschema leaves that check out.
sys.modules.setdefault("rfc3987_syntax", None)
