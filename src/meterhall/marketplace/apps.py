"""The apps of the Market Place, one a noun."""

APPS = [
    "meterhall.web.membership",
    "meterhall.marketplace.players",
    "meterhall.marketplace.catalogue",
    "meterhall.marketplace.certification",
    "meterhall.marketplace.localisation",
    "meterhall.marketplace.agreements",
    "meterhall.marketplace.ledger",
]
