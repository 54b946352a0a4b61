"""Failing work in words: what it was about to do, and why it failed."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from meterhall.web.portal.spoken import spoken
from meterhall.web.work.engine import QUEUES, discover
from meterhall.web.work.letters import DeadLetter

NAMED = re.compile(r"(?:[A-Z]\w*): (.+)", re.DOTALL)
"""A refusal with the name of its class before it, as the log has it."""
UNFORESEEN = re.compile(r"[A-Z]\w*(?: in [\w<>]+:\d+)?")


def what(letter: DeadLetter) -> str:
    """What the work was about to do."""
    discover()
    for model, queue in QUEUES.items():
        if model._meta.label_lower == letter.queue:
            return str(queue.says)
    return letter.queue


def why(letter: DeadLetter) -> str:
    """Why the last attempt failed; of a fault nobody foresaw, that the log says more."""
    if match := NAMED.fullmatch(letter.error):
        return spoken(match[1])
    if UNFORESEEN.fullmatch(letter.error):
        return _("A fault that nobody foresaw; the log has it (%(fault)s).") % {"fault": letter.error}
    return spoken(letter.error)
