"""The named points: for each platform the commands of the ten steps, killed before and after their commit, and the
calls, lake commits, files and logged accesses killed right after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

Points = Mapping[str, list[str]]
ROLES = {"marketplace": "marketplace", "grid": "provider", "esco": "requester"}

ENTERING = {
    "marketplace": ["post_player", "admit_player", "sign_general_contract", "post_certification",
                    "marketplace.certification.service:finish", "marketplace.ledger.tree:publish"],
    "grid": ["post_enrolment", "put_points", "post_readings", "provider.metering.register:find_series"],
    "esco": ["post_enrolment", "web.messaging.peers:set_access_number"],
}  # fmt: skip
"""Commands until a provider can be offered by: before anybody's certification runs."""
TRADING = {
    "marketplace": ["post_subscription", "post_wish", "sign_subscription", "post_attestation", "post_statements",
                    "quit_subscription"],
    "grid": ["provider.contracts.service:take_request", "provider.contracts.service:accept_active",
             "provider.contracts.service:refresh_from_attestation", "provider.contracts.service:end_contract",
             "post_evidence", "post_activation", "provider.activations.service:answer", "post_data_request",
             "provider.deliveries.build:_publish", "provider.deliveries.push:push_version",
             "provider.deliveries.retention:close", "post_receipt", "web.messaging.api:receive",
             "provider.metering.working:_write_down", "provider.consents.service:_end",
             "provider.activations.ends:end_with_contracts"],
    "esco": ["post_customers", "post_localisation", "post_wish", "post_subscription", "post_activation",
             "post_data_request", "post_quit", "requester.partners.service:subscribe",
             "requester.partners.service:accept_active",
             "requester.partners.service:_signed_command", "web.membership.service:attestation_for",
             "requester.activations.exchange:send", "requester.activations.exchange:fetch_answers",
             "requester.collection.service:send_request", "requester.collection.service:announce",
             "requester.collection.manifests:keep", "requester.collection.store:_series",
             "requester.collection.store:store", "requester.collection.settle:settle",
             "requester.collection.repository:put_manifest", "requester.collection.withdrawal:hear",
             "requester.collection.store:erase", "requester.collection.withdrawal:end_processing",
             "web.messaging.api:receive"],
}  # fmt: skip
"""Commands of the steps 2 to 10."""
SENT = {
    "marketplace": ["after-send POST /v1/inbox"],
    "grid": ["after-send POST /v1/inbox", "after-send POST /v1/statements", "after-send POST /oauth/token",
             "after-send POST /v1/subscriptions/*/signatures", "after-send PUT /repository/**/parts*",
             "after-send PUT /repository/**/manifest", "before-lake commit", "after-lake commit", "after-file .csv",
             "after-log part"],
    "esco": ["after-send POST /v1/statements", "after-send POST /v1/subscriptions", "after-send POST /v1/attestations",
             "after-send POST /v1/subscriptions/*/signatures", "after-send POST /v1/evidence",
             "after-send POST /v1/activations", "after-send GET /v1/activations/*/answers",
             "after-send POST /v1/data-requests", "after-send GET /v1/deliveries/*",
             "after-send GET /v1/deliveries/*/parts*", "after-send POST /v1/deliveries/*/receipt",
             "after-send POST /v1/subscriptions/*/quit", "before-lake commit", "after-lake commit", "after-file .part"],
}  # fmt: skip
"""What was sent and not yet marked, what is in the lake and not yet in the database, what is only a file,
what is logged as let out and not yet sent."""
WHOLE = {
    "after-send POST /v1/inbox",
    "before-commit post_statements",
    "after-lake commit",
    "after-commit post_activation",
}
"""Points at which every process of the platform dies."""


KINDS = ("before-commit", "after-commit")


def halves(commands: Mapping[str, list[str]], half: int) -> Points:
    """Every second command, killed before or after its commit in turn; the other `half` is the other commands."""
    return {
        key: [_line(key, f"{KINDS[at % 2]} {name}") for at, name in enumerate(names[half::2])]
        for key, names in commands.items()
    }


def both(commands: Mapping[str, list[str]]) -> Points:
    """Before and after each commit."""
    return {key: [_line(key, f"{kind} {name}") for name in names for kind in KINDS] for key, names in commands.items()}


def sent(half: int | None = None) -> Points:
    """The points after sending, and around lake and files; every third one, or all."""
    chosen = {key: points if half is None else points[half::3] for key, points in SENT.items()}
    return {key: [_line(key, point) for point in points] for key, points in chosen.items()}


def merged(*several: Points) -> Points:
    """All of these."""
    return {key: [line for points in several for line in points[key]] for key in ROLES}


def _line(key: str, point: str) -> str:
    return f"{'platform' if point in WHOLE else 'process'} {ROLES[key]} {point}"


def names(points: Points) -> Iterator[str]:
    """The points without how they kill."""
    return (line.partition(" ")[2] for lines in points.values() for line in lines)
