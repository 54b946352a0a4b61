"""Pairwise pseudonyms, and when a group may be shown. Consent lives in `consent`, masking of PODs in `pods`."""

from meterhall.domain.privacy.dominance import corrected_by_few, dominated, too_much, withheld_slots
from meterhall.domain.privacy.groups import GroupTooSmall, check_difference, check_group, check_percentile
from meterhall.domain.privacy.pseudonyms import pairwise_pseudonym

__all__ = [
    "GroupTooSmall",
    "check_difference",
    "check_group",
    "check_percentile",
    "corrected_by_few",
    "dominated",
    "pairwise_pseudonym",
    "too_much",
    "withheld_slots",
]
