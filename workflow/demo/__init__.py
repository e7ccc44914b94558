"""The networks in one page that a reader opens from disk: `make demo`."""
