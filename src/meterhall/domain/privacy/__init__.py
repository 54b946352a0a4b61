"""Pairwise pseudonyms and the minimum group size. Consent lives in `consent`, masking of PODs in `pods`."""

from meterhall.domain.privacy.groups import GroupTooSmall, check_difference, check_group
from meterhall.domain.privacy.pseudonyms import pairwise_pseudonym

__all__ = ["GroupTooSmall", "check_difference", "check_group", "pairwise_pseudonym"]
