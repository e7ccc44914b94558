"""The article's page that answers back: what it carries of the run, and the scripts that read it."""
