"""The apps of a provider, one a noun."""

APPS = [
    "meterhall.web.membership",
    "meterhall.provider.offers",
    "meterhall.provider.contracts",
    "meterhall.provider.points",
    "meterhall.provider.consents",
    "meterhall.provider.activations",
    "meterhall.provider.metering",
    "meterhall.provider.deliveries",
]
