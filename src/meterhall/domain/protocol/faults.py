"""Where in a message the fault is: the JSON Pointer of a refusal (RFC 6901)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from pydantic import ValidationError

from meterhall.domain.errors import InvalidInput, MeterhallError

Fault = tuple[Sequence[object], str]
"""The location of a fault, as pydantic gives it, and the sentence."""


def pointer(location: Iterable[object]) -> str:
    """A pydantic error location as a JSON Pointer (RFC 6901). A name at fault is told by the object that has it."""
    location = list(location)
    location = location[:-2] if location[-1:] == ["[key]"] else location
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def misfit(faults: Sequence[Fault], within: str = "") -> InvalidInput:
    """The refusal of what does not fit, each fault at its place; of a list that has a faulty item nothing besides."""
    found = [one for one in faults if not any(_is_deeper(other, one) for other in faults)]
    told = [{"field": within + pointer(at), "message": text.removeprefix("Value error, ")} for at, text in found]
    first = told[0]
    where = first["field"] or "the request"
    return InvalidInput(f"{where}: {first['message']}", field=first["field"], members={"errors": told})


def _is_deeper(one: Fault, than: Fault) -> bool:
    return tuple(one[0][: len(than[0])]) == tuple(than[0]) != tuple(one[0])


def faults_of(fault: ValidationError) -> list[Fault]:
    """What pydantic found, without what was sent."""
    return [(error["loc"], str(error["msg"])) for error in fault.errors(include_input=False, include_url=False)]


@contextmanager
def inside(member: str) -> Iterator[None]:
    """Also as a decorator: a fault in the document that `member` (a pointer, as `/jws`) carries is named behind it."""
    try:
        yield
    except ValidationError as fault:
        raise misfit(faults_of(fault), member) from None
    except MeterhallError as fault:
        if fault.field is not None and fault.field != member and not fault.field.startswith(f"{member}/"):
            fault.field = member + fault.field
        raise
