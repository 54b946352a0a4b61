"""The refusals of a text as a point of delivery. None of them ever holds the text.

InvalidInput
└── InvalidPod            pod_invalid
    ├── PodUnknownScheme  pod_unknown_scheme
    ├── PodBadLength      pod_bad_length
    ├── PodBadFormat      pod_bad_format
    └── PodCheckFailed    pod_check_failed
"""

from __future__ import annotations

from meterhall.domain.errors import InvalidInput


class InvalidPod(InvalidInput):
    code = "pod_invalid"
    title = "This is not a valid point of delivery."


class PodUnknownScheme(InvalidPod):
    code = "pod_unknown_scheme"
    title = "This is not a point of delivery of a known scheme."


class PodBadLength(InvalidPod):
    code = "pod_bad_length"
    title = "The point of delivery has too few or too many characters."


class PodBadFormat(InvalidPod):
    code = "pod_bad_format"
    title = "The point of delivery has a character where its scheme allows none such."


class PodCheckFailed(InvalidPod):
    code = "pod_check_failed"
    title = "The check digits of the point of delivery are wrong: please compare it with the bill."
