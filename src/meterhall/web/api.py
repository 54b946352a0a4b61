"""The API kit: how every platform declares a call, refuses, pages and answers a repeated command once.

A call is declared with `endpoint`, which puts into the OpenAPI document what the call may refuse with, takes the
`Idempotency-Key` of commands, and runs one command in one transaction.
"""

from __future__ import annotations

import base64
import errno
import functools
import hashlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import structlog
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from ninja import NinjaAPI, Status
from ninja.errors import HttpError, ValidationError
from pydantic import BaseModel
from pydantic import ValidationError as PydanticError

from meterhall import __version__
from meterhall.domain.errors import Conflict, InvalidInput, MeterhallError, NotFound, TooLarge, Unavailable
from meterhall.domain.protocol.base import Page
from meterhall.domain.protocol.canonical import canonical
from meterhall.domain.protocol.faults import faults_of, misfit
from meterhall.web.json_bodies import JsonParser, MediaTypeNotTaken, NotJson
from meterhall.web.messaging.models import IdempotencyRecord
from meterhall.web.oauth.errors import Challenged
from meterhall.web.openapi import GIVES, JSON, TAKES, Api
from meterhall.web.parameters import ParameterRepeated, ParameterUnknown, only_known, parameters_of
from meterhall.web.platform import platform
from meterhall.web.security import ScopeMissing
from meterhall.web.uploads import uploaded

log = structlog.get_logger(__name__)
P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound=Model)
V = TypeVar("V")
KEY = re.compile(r"[\x21-\x7e]{1,80}")
PAGE = 100
TOO_MANY = "No call has so many parameters."
MOST = 1000


class IdempotencyKeyMissing(InvalidInput):
    status = 400
    code = "idempotency_key_missing"
    title = "A command needs an Idempotency-Key header of 1 to 80 visible ASCII characters."


class IdempotencyKeyReused(Conflict):
    status = 422
    code = "idempotency_key_reused"
    title = "This Idempotency-Key was used for another command."


class BodyTooLarge(TooLarge):
    code = "body_too_large"
    title = "The body of a call is at most 16 MiB."


class BadCursor(InvalidInput):
    code = "bad_cursor"
    title = "The cursor is not one of this list's."


class BadLimit(InvalidInput):
    code = "bad_limit"
    title = f"A page of a list has 1 to {MOST} items."


class DatabaseUnavailable(Unavailable):
    """The platform answers again as soon as its database does; ask again with the same Idempotency-Key."""

    code = "database_unavailable"
    title = "The platform's database does not answer right now; ask again with the same key."


class StorageUnavailable(Unavailable):
    """The operator has to make room; nothing of the command was done. Ask again with the same Idempotency-Key."""

    code = "storage_unavailable"
    title = "The platform cannot write its files right now; ask again with the same key."


class Problem(BaseModel):
    """RFC 9457 problem details. `code` is stable; `field` is a JSON Pointer to the fault."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str | None = None
    errors: list[dict[str, str]] | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """A body that a call reads as it comes, of any size where it `streams`; `model` where it is a document."""

    media: str
    model: type[BaseModel] | None = None
    streams: bool = False

    def published(self, schemas: dict[str, Any]) -> dict[str, Any]:
        """The `requestBody` of OpenAPI; what the model consists of is put beside the other `schemas`."""
        schema: dict[str, Any] = {"type": "string", "format": "binary"}
        if self.model:
            schema = self.model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs", {})
        return {"required": True, "content": {self.media: {"schema": schema}}}


def make_api(title: str, description: str, namespace: str) -> NinjaAPI:
    """An API whose refusals are problem documents and whose OpenAPI is published at /openapi.json."""
    api = Api(
        title=title,
        version=__version__,
        description=description,
        urls_namespace=namespace,
        docs_url=None,
        docs_decorator=require_safe,
        openapi_url="/openapi.json",
        parser=JsonParser(),
    )
    api.add_exception_handler(MeterhallError, _meterhall_error)
    api.add_exception_handler(ValidationError, _validation_error)
    api.add_exception_handler(PydanticError, _pydantic_error)
    api.add_exception_handler(HttpError, _unreadable)
    api.add_exception_handler(RequestDataTooBig, lambda request, fault: problem(BodyTooLarge()))
    api.add_exception_handler(TooManyFieldsSent, lambda request, fault: problem(ParameterUnknown(TOO_MANY)))
    api.add_exception_handler(Http404, lambda request, fault: problem(NotFound()))
    api.add_exception_handler(OperationalError, _no_database)
    api.add_exception_handler(InterfaceError, _no_database)
    api.add_exception_handler(OSError, _no_storage)
    api.add_exception_handler(Exception, _unexpected)
    return api


def problem(fault: MeterhallError) -> HttpResponse:
    """The `application/problem+json` answer of an error."""
    response = HttpResponse(canonical(fault.problem()), status=fault.status, content_type="application/problem+json")
    if fault.retry_after_s is not None:
        response["Retry-After"] = str(fault.retry_after_s)
    if fault.status == 401:
        response["WWW-Authenticate"] = "DPoP"
    if isinstance(fault, Challenged | ScopeMissing):
        for name, value in fault.headers().items():
            response[name] = value
    return response


def _meterhall_error(request: HttpRequest, fault: Any) -> HttpResponse:
    return problem(fault)


def _call(request: HttpRequest) -> str:
    """Which call it is, as published: what a caller wrote into the address stays out of the logs."""
    match = request.resolver_match
    return f"{request.method} /{match.route if match else ''}"


def _unreadable(request: HttpRequest, fault: Any) -> HttpResponse:
    """The framework found no body it could read; `JsonParser` says why."""
    cause = fault.__cause__
    return problem(cause if isinstance(cause, NotJson | MediaTypeNotTaken) else NotJson(field=""))


def _place(location: tuple[object, ...]) -> tuple[object, ...]:
    """Where in the body, or which parameter, without the framework's own words before it."""
    return location[2 if location[:1] == ("body",) else 1 :]


def _validation_error(request: HttpRequest, fault: Any) -> HttpResponse:
    return problem(misfit([(_place(tuple(error["loc"])), str(error["msg"])) for error in fault.errors]))


def _pydantic_error(request: HttpRequest, fault: Any) -> HttpResponse:
    return problem(misfit(faults_of(fault)))


def _no_database(request: HttpRequest, fault: Any) -> HttpResponse:
    log.error("api.no_database", call=_call(request), error=type(fault).__name__)
    return problem(DatabaseUnavailable(retry_after_s=5))


def _no_storage(request: HttpRequest, fault: Any) -> HttpResponse:
    if fault.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES):
        return _unexpected(request, fault)
    log.error("api.no_storage", call=_call(request), error=errno.errorcode.get(fault.errno, ""))
    return problem(StorageUnavailable(retry_after_s=60))


def _unexpected(request: HttpRequest, fault: Any) -> HttpResponse:
    log.exception("api.fault", call=_call(request), error=type(fault).__name__)
    return problem(MeterhallError())


def endpoint(
    api: NinjaAPI,
    method: str,
    path: str,
    *,
    response: Any,
    status: int = 200,
    auth: Any = None,
    refuses: tuple[type[MeterhallError], ...] = (),
    idempotent: bool | None = None,
    calls_out: bool = False,
    step: str = "",
    besides: Mapping[int, Any] | None = None,
    takes: Body | None = None,
    gives: str = JSON,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare one call. Commands (POST, PUT, DELETE) take an Idempotency-Key unless `idempotent=False`.

    A command that `calls_out` to another platform runs outside any transaction, since none waits for a network; what it
    calls has keys of its own, so that it may be repeated after a crash in between.

    `refuses` are the errors listed in the OpenAPI document; `step` is the step of the main job, shown as the tag;
    `besides` are further answers that are no refusals with a code; `takes` is a body the call reads by itself, `gives`
    the media type of an answer it writes by itself.
    """
    command = method != "GET" if idempotent is None else idempotent
    extra: dict[str, Any] = {}
    if command:
        extra["parameters"] = [
            {"in": "header", "name": "Idempotency-Key", "required": True, "schema": {"type": "string", "maxLength": 80}}
        ]

    extra |= {TAKES: takes, GIVES: gives}

    def declare(run: Callable[P, R]) -> Callable[P, R]:
        errors = _refusals(run, method, command, auth, refuses)
        extra["x-error-codes"] = sorted({error.code for error in errors})
        wrap = functools.partial(_after if calls_out else _once, streams=takes is not None and takes.streams)
        chosen: Any = wrap(run, status) if command else _with_status(run, status)
        chosen = only_known(chosen, parameters_of(run, path))
        # the wrapper lives in another module; the names in the signature are those of the call's own
        chosen.__signature__ = inspect.signature(run, eval_str=True)
        api.api_operation(
            [method],
            path,
            response={status: response, **(besides or {}), frozenset(error.status for error in errors): Problem},
            auth=auth,
            operation_id=run.__name__,
            summary=(inspect.getdoc(run) or run.__name__).splitlines()[0],
            description=inspect.getdoc(run),
            tags=[step] if step else None,
            exclude_none=True,
            by_alias=True,
            openapi_extra=extra,
        )(chosen)
        return run

    return declare


def _refusals(
    run: Callable[..., Any], method: str, command: bool, auth: Any, refuses: Iterable[type[MeterhallError]]
) -> set[type[MeterhallError]]:
    """Everything a call may refuse with: its own errors, and those of its door, its body, its key and its cursor."""
    errors = {
        InvalidInput,
        ParameterUnknown,
        ParameterRepeated,
        DatabaseUnavailable,
        *_with_kinds(refuses),
        *getattr(auth, "refuses", ()),
    }
    errors |= {IdempotencyKeyMissing, IdempotencyKeyReused} if command else set()
    errors |= {NotJson, MediaTypeNotTaken, BodyTooLarge, StorageUnavailable} if method != "GET" else set()
    named = inspect.signature(run).parameters
    errors |= {BadCursor} if "after" in named else set()
    errors |= {BadLimit} if "limit" in named else set()
    return errors


def _with_kinds(errors: Iterable[type[MeterhallError]]) -> set[type[MeterhallError]]:
    """The errors with the finer ones below each."""
    found = set(errors)
    for error in errors:
        found |= _with_kinds(error.__subclasses__())
    return found


def _with_status(run: Callable[..., Any], status: int) -> Callable[..., Any]:
    """Answer with the declared status; a function that builds its own response keeps it."""
    if status == 200:
        return run

    @functools.wraps(run)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        answer = run(request, *args, **kwargs)
        return answer if isinstance(answer, HttpResponse) else Status(status, answer)

    return answered


def _once(run: Callable[..., Any], status: int, streams: bool) -> Callable[..., Any]:
    """Run a command in one transaction together with the record of its answer; give a repeated one the same answer."""

    @functools.wraps(run)
    def command(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        caller, key, print_ = _named(request, streams)
        known = IdempotencyRecord.objects.filter(caller=caller, key=key).first()
        if known is not None:
            return _replay(known, print_)
        try:
            with transaction.atomic():
                record = IdempotencyRecord.objects.create(
                    caller=caller, key=key, fingerprint=print_, status=status, created_at=platform().now()
                )
                answer = run(request, *args, **kwargs)
                record.response = _sealed(answer)
                record.save(update_fields=["response"])
        except IntegrityError:
            known = IdempotencyRecord.objects.filter(caller=caller, key=key).first()
            if known is None:
                raise
            return _replay(known, print_)
        log.info("api.done", call=_call(request), by=caller)
        return Status(status, answer)

    return command


def _after(run: Callable[..., Any], status: int, streams: bool) -> Callable[..., Any]:
    """Run a command that calls out, then record its answer for the next time the same key comes."""

    @functools.wraps(run)
    def command(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        caller, key, print_ = _named(request, streams)
        known = IdempotencyRecord.objects.filter(caller=caller, key=key).first()
        if known is not None:
            return _replay(known, print_)
        answer = run(request, *args, **kwargs)
        fresh = {"fingerprint": print_, "status": status, "response": _sealed(answer), "created_at": platform().now()}
        IdempotencyRecord.objects.get_or_create(caller=caller, key=key, defaults=fresh)
        return Status(status, answer)

    return command


def _named(request: HttpRequest, streams: bool) -> tuple[str, str, str]:
    """The caller, its key and the fingerprint of its command. Raises `IdempotencyKeyMissing`."""
    given = request.headers.get("Idempotency-Key", "")
    if not KEY.fullmatch(given):
        raise IdempotencyKeyMissing(field="/Idempotency-Key")
    key = hashlib.sha256(given.encode()).hexdigest()  # kept as a digest: nobody knows what a caller puts in
    caller = str(getattr(request, "auth", None) or request.META.get("REMOTE_ADDR", ""))[:80]
    asked = f"{request.method} {request.get_full_path()}\n".encode()
    asked += uploaded(request).digest.encode() if streams else request.body
    return caller, key, hashlib.sha256(asked).hexdigest()


def _body_of(answer: Any) -> str:
    """The body of an answer, to be given again; a call that answers nothing has none."""
    if answer is None:
        return ""
    if isinstance(answer, BaseModel):
        answer = answer.model_dump(mode="json", exclude_none=True, by_alias=True)
    return canonical(answer).decode()


def _sealed(answer: Any) -> str:
    """An answer may hold a link that lets somebody in, or a POD: it rests as every secret does."""
    return platform().seal(_body_of(answer).encode()).decode()


def _replay(known: IdempotencyRecord, fingerprint: str) -> HttpResponse:
    if known.fingerprint != fingerprint:
        raise IdempotencyKeyReused(field="/Idempotency-Key")
    return HttpResponse(
        platform().unseal(known.response.encode()),
        status=known.status,
        content_type="application/json",
        headers={"Idempotent-Replayed": "true"},
    )


def page(rows: QuerySet[M], view: Callable[[M], V], *, after: str | None, limit: int = PAGE, by: str = "pk") -> Page[V]:
    """One page of `rows` ordered by the unique field `by`, after the cursor `after`. Raises `BadCursor`, `BadLimit`."""
    check_limit(limit)
    beyond = {f"{by}__gt": decode_cursor(after)} if after else {}
    # A bad cursor must not break a transaction there is; to begin one would be to wait for whoever writes (SQLite).
    guard = transaction.atomic() if after and connection.in_atomic_block else nullcontext()
    try:
        with guard:
            found = list(rows.order_by(by).filter(**beyond)[: limit + 1])
    except (TypeError, ValueError, DataError):
        raise BadCursor(field="/after") from None
    except OverflowError:  # SQLite, of what is beyond every number there is
        found = []
    full = len(found) > limit
    shown = found[:limit]
    following = encode_cursor(getattr(shown[-1], by)) if full else None
    return Page[Any](items=[view(row) for row in shown], next=following)


def check_limit(limit: int) -> None:
    """Refuse a page of nothing or of too much. Raises `BadLimit`."""
    if not 1 <= limit <= MOST:
        raise BadLimit(field="/limit")


def encode_cursor(value: object) -> str:
    """The opaque cursor after a value."""
    return base64.urlsafe_b64encode(str(value).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """The value in a cursor. Raises `BadCursor`."""
    try:
        found = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        raise BadCursor(field="/after") from None
    if "\0" in found:
        raise BadCursor(field="/after")
    return found
