"""What must not rest or be logged: the words of errors, and answers kept for a repeated command."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from datetime import timedelta
from threading import Thread

import pytest
import structlog
from django.http import HttpRequest
from django.test import Client, override_settings
from django.urls import path
from pydantic import BaseModel, ValidationError

from meterhall.domain.errors import InvalidInput
from meterhall.web import asgi
from meterhall.web.api import Problem, endpoint, make_api
from meterhall.web.logs import bare_exception, configure_logs, described, without_faults
from meterhall.web.messaging.models import IdempotencyRecord
from meterhall.web.messaging.tasks import ANSWERS_KEPT, forget_answers
from meterhall.web.platform import platform

POD = "IT999E00000001"
api = make_api("Test", "A command whose answer is a secret.", "nothing_said")
made: list[str] = []


class Link(BaseModel):
    link: str


@endpoint(api, "POST", "/link", response=Link, status=201)
def post_link(request: HttpRequest) -> Link:
    """Make a link."""
    made.append(f"https://localhost/link?token=secret-{len(made)}")
    return Link(link=made[-1])


urlpatterns = [path("", api.urls)]


def wrong() -> Exception:
    """A library's error that quotes what it was given."""
    with pytest.raises(ValidationError, match=POD) as caught:
        Problem.model_validate({"title": [POD]})
    return caught.value


def test_an_error_is_described_without_the_words_of_a_library() -> None:
    assert described(InvalidInput("It is wrong.")) == "InvalidInput: It is wrong."
    assert described(wrong()).startswith("ValidationError in ")
    assert described(ValueError(POD)) == "ValueError"


@pytest.mark.parametrize("how", ["structlog", "logging"])
def test_a_logged_exception_keeps_its_stack_and_loses_its_words(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    root, out = logging.getLogger(), io.StringIO()
    before = root.handlers[:], root.level, structlog.get_config()
    monkeypatch.setattr("sys.stderr", out)
    try:
        configure_logs("provider", "web", "INFO", "json")
        thread = Thread(target=break_and_say, args=[how])
        thread.start()
        thread.join()
    finally:
        root.handlers[:], level, config = before[0], before[1], before[2]
        root.setLevel(level)
        structlog.configure(**config)
        structlog.contextvars.clear_contextvars()
    line = json.loads(out.getvalue())
    assert POD not in out.getvalue()
    assert "KeyError" in line["exception"]
    assert "ValidationError" in line["exception"]
    assert "test_nothing_said.py" in line["exception"]
    assert (line["platform"], line["part"]) == ("provider", "web"), "in whatever thread"


def break_and_say(how: str) -> None:
    try:
        try:
            raise wrong()
        except ValidationError as fault:
            raise KeyError(POD) from fault
    except KeyError:
        (structlog.get_logger("x") if how == "structlog" else logging.getLogger("x")).exception("it.broke")


def test_a_line_without_an_exception_stays_as_it_is() -> None:
    assert bare_exception(None, "info", {"event": "x"}) == {"event": "x"}


@pytest.mark.django_db
def test_the_answer_kept_for_a_repeated_command_is_sealed_given_again_and_forgotten() -> None:
    with override_settings(ROOT_URLCONF=__name__):
        first, again = (Client().post("/link", headers={"Idempotency-Key": "once"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert json.loads(first.content) == json.loads(again.content) == {"link": made[0]}
    assert (len(made), again.headers["Idempotent-Replayed"]) == (1, "true")
    kept = IdempotencyRecord.objects.get()
    assert "secret" not in kept.response
    forget_answers()
    assert IdempotencyRecord.objects.exists()
    IdempotencyRecord.objects.update(created_at=platform().now() - ANSWERS_KEPT - timedelta(hours=1))
    forget_answers()
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/link%00", "/link?after=%00"])
def test_an_address_with_a_nul_is_refused_before_any_database_is_asked(address: str) -> None:
    with override_settings(ROOT_URLCONF=__name__):
        answer = Client().get(address)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


@pytest.mark.parametrize(("fault", "said"), [(ValueError(POD), True), (ConnectionAbortedError("on purpose"), False)])
def test_a_fault_on_the_way_reaches_the_server_and_is_said_without_its_words(
    fault: Exception, said: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_off(scope: object, receive: object, send: object) -> None:
        raise fault

    monkeypatch.setenv("METERHALL_LISTENER", "b2b")
    monkeypatch.setattr(asgi, "die_with_parent", lambda: None)
    monkeypatch.setattr(asgi, "configure_logs", lambda *words: None)
    monkeypatch.setattr(asgi, "Handler", lambda: break_off)
    with structlog.testing.capture_logs([bare_exception]) as lines, pytest.raises(type(fault)):
        asyncio.run(asgi.application()({}, None, None))
    assert ["answer.broken"] * said == [line["event"] for line in lines]
    assert POD not in str(lines)


def test_the_servers_own_words_of_a_fault_are_left_out() -> None:
    given = "Application callable raised an exception\nTraceback …\nValueError: " + POD
    assert not without_faults(logging.LogRecord("_granian.asgi", logging.ERROR, "", 1, given, None, None))
    assert without_faults(logging.LogRecord("_granian.net", logging.ERROR, "", 1, "No such file", None, None))
