"""What readers' tools expect: the crate and the checklist of a run, codemeta.json, the description of the data."""
