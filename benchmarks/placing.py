"""Puts many points, with holders, consents and answered activation items, into the homes of running platforms at once.

What the calls for it take at a time, and how long, `large-activations` measures; here it is only what has to be there.
A process of its own for each home, since a platform's project is loaded once a process.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from django.db import models, transaction
from tests.e2e.town import cups

from meterhall.cli.shared import django_ready
from meterhall.domain.protocol.base import Period

Put = TypeVar("Put", bound=models.Model)
FIRST_POD, ROWS = 50_000_000, 20_000
DAY = Period(first=date(2025, 3, 10), until=date(2025, 3, 11))
ZONE = "Europe/Madrid"


def pods(count: int) -> list[str]:
    """The PODs of as many households."""
    return [cups(FIRST_POD + number) for number in range(count)]


def put(rows: Iterable[Put]) -> None:
    """Insert rows, some thousands at a time, each lot in a transaction of its own."""
    left = iter(rows)
    while some := list(islice(left, ROWS)):
        with transaction.atomic():
            type(some[0])._default_manager.bulk_create(some, batch_size=500)


def at_provider(home: Path, count: int, activation_id: str, into: Path) -> None:
    """Points, each held by a customer of its own who consented by evidence, and accepted in the activation."""
    django_ready("provider", home)
    from meterhall.domain.privacy import pairwise_pseudonym
    from meterhall.provider.activations.models import Activation, ActivationItem
    from meterhall.provider.consents.models import Consent, ConsentItem
    from meterhall.provider.points.models import Occupancy, Point
    from meterhall.provider.points.service import pod_of
    from meterhall.web.platform import platform

    activation = Activation.objects.get(pk=activation_id)
    now, names = datetime.now(UTC), pods(count)
    until, key = now + timedelta(days=30), platform().home.derived_key("pseudonyms")
    put(Point(handle=f"pt_{n:024x}", pod=pod, scheme="ES", zone=ZONE) for n, pod in enumerate(names))
    points = {one.pod: one for one in Point.objects.filter(handle__startswith="pt_0000").iterator()}
    mine = [points[pod] for pod in names]
    put(
        Occupancy(point=point, holder_reference=f"HOLDER-N-{n}", first=date(2020, 1, 1)) for n, point in enumerate(mine)
    )
    common = {"requester": activation.requester, "requester_name": "Consejo Claro", "assurance": "customer_signed"}
    put(
        Consent(consent_id=f"con_{n:024x}", holder_reference=f"HOLDER-N-{n}", granted_at=now, **common)
        for n in range(count)
    )
    before = ConsentItem.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    put(
        ConsentItem(
            pk=before + 1 + n, consent_id=f"con_{n:024x}", point=point, need="evidence", scope=activation.scope,
            purpose="Advice on saving", access_until=until,
        )
        for n, point in enumerate(mine)
    )  # fmt: skip
    first = activation.items.count()

    def items() -> Iterator[ActivationItem]:
        for n, point in enumerate(mine):
            yield ActivationItem(
                activation=activation, position=first + n, pod=point.pod, key=point.pod,
                proof=f"consent:con_{n:024x}", state="accepted", point=point, consent_item_id=before + 1 + n,
                pseudonym=str(pairwise_pseudonym(key, activation.requester, pod_of(point), f"con_{n:024x}")),
                first=DAY.first, until=DAY.until, stretches=[DAY.document()], access_until=until, answered_at=now,
            )  # fmt: skip

    put(items())
    told = activation.items.filter(position__gte=first).order_by("position").values_list("pod", "pseudonym")
    columns = list(zip(*told.iterator(), strict=True))
    pq.write_table(pa.table({"pod": columns[0], "pseudonym": columns[1]}), into)


def at_requester(home: Path, number: int, told: Path) -> None:
    """The same items as the answers to an activation of ours."""
    django_ready("requester", home)
    from meterhall.requester.activations.models import Activation, ActivationItem

    activation, found = Activation.objects.get(pk=number), pq.read_table(told)
    answers = zip(found["pod"].to_pylist(), found["pseudonym"].to_pylist(), strict=True)
    first = activation.items.count()
    put(
        ActivationItem(
            activation=activation, position=first + n, place=first + n, pod=pod, proof=f"consent:con_{n:024x}",
            state="accepted", pseudonym=pseudonym, consent_id=f"con_{n:024x}",
        )
        for n, (pod, pseudonym) in enumerate(answers)
    )  # fmt: skip


def hand_in(home: Path, file: Path) -> None:
    """A file of readings to the running worker."""
    django_ready("provider", home)
    from meterhall.provider.metering.service import take_readings

    with file.open("rb") as content:
        print(take_readings(content, "PT15M").pk)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["provider", home, count, activation, into]:
            at_provider(Path(home), int(count), activation, Path(into))
        case ["requester", home, number, told]:
            at_requester(Path(home), int(number), Path(told))
        case ["readings", home, file]:
            hand_in(Path(home), Path(file))
