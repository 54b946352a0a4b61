"""Points of delivery of Europe's countries: reading, checking, masking, and finding who holds one. Nothing is stored.

>>> from meterhall.domain.pods import read
>>> [found] = read("pod it 001 e 12345678")
>>> found.pod, found.pod.operator_part, found.confidence.value
(<Pod IT001E•••>, '001', 'format')
"""

from meterhall.domain.pods.errors import InvalidPod, PodBadFormat, PodBadLength, PodCheckFailed, PodUnknownScheme
from meterhall.domain.pods.normalising import Normalised, normalise
from meterhall.domain.pods.operators import Operator, operators
from meterhall.domain.pods.pod import WARNINGS, Candidate, Confidence, Pod
from meterhall.domain.pods.reading import read
from meterhall.domain.pods.registry import BY_CODE, SCHEMES
from meterhall.domain.pods.sandbox import DEMONSTRATION_OPERATOR, demonstration_pod, is_sandbox
from meterhall.domain.pods.scheme import Scheme

__all__ = [
    "BY_CODE",
    "DEMONSTRATION_OPERATOR",
    "SCHEMES",
    "WARNINGS",
    "Candidate",
    "Confidence",
    "InvalidPod",
    "Normalised",
    "Operator",
    "Pod",
    "PodBadFormat",
    "PodBadLength",
    "PodCheckFailed",
    "PodUnknownScheme",
    "Scheme",
    "demonstration_pod",
    "is_sandbox",
    "normalise",
    "operators",
    "read",
]
