"""The apps of a requester, one a noun."""

APPS = [
    "meterhall.web.membership",
    "meterhall.requester.partners",
    "meterhall.requester.customers",
    "meterhall.requester.activations",
    "meterhall.requester.collection",
    "meterhall.requester.analysis",
]
