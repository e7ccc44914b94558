"""The card of the networks that ship."""

from lib.experiments import card, shipped


def test_the_card_says_what_the_manifests_say():
    assert (shipped.FOLDER / "README.md").read_text() == card.card()
