"""The words of the Market Place's pages for the codes the protocol uses; one table a code list."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Words = Mapping[str, Promise]

STATUS: Words = {
    "applied": _("waiting for a decision"),
    "admitted": _("admitted"),
    "suspended": _("suspended"),
    "refused": _("refused"),
    "left": _("left"),
}
ROLE: Words = {"provider": _("provider"), "requester": _("requester")}
USE: Words = {"transport": _("Transport key"), "contract": _("Contract key")}
ACTIVITY: Words = {
    "dso": _("distribution system operator"),
    "tso": _("transmission system operator"),
    "metering_data_manager": _("metering data manager"),
    "retailer": _("retailer"),
    "esco": _("energy service company"),
    "aggregator": _("aggregator"),
    "technology_provider": _("technology provider"),
    "market_operator": _("market operator"),
}
DECISION: Words = {
    "admit": _("Admitted"),
    "refuse": _("Refused"),
    "suspend": _("Suspended"),
    "reinstate": _("Let back in"),
}
TONE = {"admit": "success", "refuse": "danger", "suspend": "danger", "reinstate": "success"}
