"""What fails is listed on every platform, by API, page and command, and tried again when somebody says so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client, override_settings
from typer.testing import CliRunner

from meterhall import cli
from meterhall.cli import failing
from meterhall.provider.metering.models import IngestRun
from meterhall.web.messaging.models import Inbox, Outbox
from meterhall.web.staff.service import create_staff_key
from meterhall.web.work.letters import NoDeadLetter, redeliver
from meterhall.web.work.models import PendingWork, WorkState
from tests.people import signed_in

AT = datetime(2026, 3, 1, tzinfo=UTC)
WHY = "RemoteUnreachable: nobody"


def visitor(role: str) -> Client:
    client = Client()
    signed_in(client, role)
    return client


def failing_rows(state: WorkState) -> list[PendingWork]:
    """A message out, an event in and a file of readings that fail."""
    how: dict[str, Any] = {"work_state": state, "attempts": 300, "last_error": WHY, "due_at": AT}
    return [
        Outbox.objects.create(
            id=f"evt_{state}", kind="event", recipient="MH0000000202", type="t.out", body="{}", created_at=AT, **how
        ),
        Inbox.objects.create(id=f"evt_in_{state}", sender="MH0000000303", type="t.in", body="", received_at=AT, **how),
        IngestRun.objects.create(file="f", digest="d", resolution_s=900, received_at=AT, **how),
    ]


@pytest.fixture
def rows(db: None) -> list[PendingWork]:
    failing_rows(WorkState.PENDING)
    IngestRun.objects.create(file="sound", digest="d", resolution_s=900, received_at=AT, due_at=AT)
    return failing_rows(WorkState.DEAD)


@pytest.fixture(params=["marketplace", "provider", "requester"])
def urls(request: pytest.FixtureRequest) -> Any:
    name = f"meterhall.{request.param}.urls_portal"
    with override_settings(ROOT_URLCONF=name):
        yield name


def test_they_are_listed_page_by_page_and_put_back_by_api(rows: list[PendingWork], urls: str) -> None:
    office = Client(headers={"Authorization": f"Bearer {create_staff_key('m')}"})
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = office.get("/api/dead-letters", {"limit": 1, **({"after": after} if after else {})}).json()
        found += page["items"]
        after = page.get("next")
        if after is None:
            break
    assert [(one["queue"], one["party"], one["error"]) for one in found] == [
        ("provider_metering.ingestrun", "", WHY),
        ("web_messaging.inbox", "MH0000000303", WHY),
        ("web_messaging.outbox", "MH0000000202", WHY),
    ]
    tried = office.get("/api/dead-letters", {"state": "retrying"}).json()["items"]
    assert {one["state"] for one in tried} == {"retrying"}
    assert len(tried) == 3
    for number, one in enumerate(found):
        path = f"/api/dead-letters/{one['id']}/redelivery"
        assert office.post(path, headers={"Idempotency-Key": f"k{number}"}).status_code == 202
    assert office.get("/api/dead-letters").json()["items"] == []
    for row in rows:
        row.refresh_from_db()
        assert (row.work_state, row.attempts, row.leased_until) == ("pending", 0, None)
        assert row.due_at > AT


def test_a_message_is_known_by_its_id_alone_and_what_does_not_fail_by_none(rows: list[PendingWork]) -> None:
    assert redeliver("evt_dead").state == "retrying"
    for unknown in ("evt_nobody", "provider_metering.ingestrun:abc", "no.queue:1", "provider_metering.ingestrun:4"):
        with pytest.raises(NoDeadLetter):
            redeliver(unknown)


def test_the_page_lists_them_and_a_button_puts_one_back(rows: list[PendingWork], urls: str) -> None:
    staff = visitor("staff")
    page = staff.get("/failing-work", secure=True).content.decode()
    words = ("Send a message", "Work off a message that came", "Work in a file of readings", WHY.partition(": ")[2])
    for text in ("evt_dead", "evt_in_dead", "evt_pending", *words):
        assert text in page
    assert WHY not in page, "the name of a class says nothing to people"
    assert "evt_pending" in staff.get("/failing-work?export=csv", secure=True).content.decode()
    assert staff.post("/failing-work/web_messaging.outbox:evt_dead/redelivery", secure=True).status_code == 302
    assert Outbox.objects.get(pk="evt_dead").work_state == "pending"
    assert staff.post("/failing-work/web_messaging.outbox:evt_none/redelivery", secure=True).status_code == 404
    auditor = visitor("auditor")
    assert auditor.get("/failing-work", secure=True).status_code == 200
    assert auditor.post("/failing-work/web_messaging.inbox:evt_in_dead/redelivery", secure=True).status_code == 403


def test_the_commands(rows: list[PendingWork], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failing, "django_ready", lambda role, home: None)
    run = CliRunner()
    shown = run.invoke(cli.app, ["provider", "letters", "--home", "x", "--json"])
    assert shown.exit_code == 0, shown.output
    assert WHY in shown.output
    assert "evt_in_dead" in shown.output
    assert "evt_dead" not in run.invoke(cli.app, ["provider", "letters", "--home", "x", "--retrying"]).output
    assert run.invoke(cli.app, ["provider", "redeliver", "--home", "x", "evt_dead"]).exit_code == 0
    assert Outbox.objects.get(pk="evt_dead").work_state == "pending"
    assert "2" in run.invoke(cli.app, ["provider", "redeliver", "--home", "x", "--all"]).output
    assert not Inbox.objects.filter(work_state=WorkState.DEAD).exists()
