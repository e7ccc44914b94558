"""axe-core, which finds what of a page some people cannot use: fetched once by npm, for tests alone."""

import io
import tarfile

import browser

from lib.base import ROOT
from workflow import npm

VERSION = "4.14.1"
PACKAGE = ROOT / f"build/axe-core-{VERSION}.tgz"
INTEGRITY = "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="  # npm's


def script() -> str:
    """Its source. UserError where npm is missing or without network."""
    with tarfile.open(fileobj=io.BytesIO(npm.fetch(PACKAGE, f"axe-core@{VERSION}", INTEGRITY))) as package:
        return package.extractfile("package/axe.min.js").read().decode()


def findings(opened: browser.Browser, source: str) -> list[str]:
    """What axe finds in the page that is open, "rule: first element": its rules of WCAG and of good practice."""
    opened.run(source)
    said = "violations.map(one => `${one.id}: ${one.nodes.length} x ${one.nodes[0].html.slice(0, 160)}`)"
    return opened.run(f"axe.run(document, {{resultTypes: ['violations']}}).then(found => found.{said})", seconds=120)
