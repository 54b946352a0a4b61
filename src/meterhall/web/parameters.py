"""The parameters in a call's address: those it is published with, each once. None is passed over."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

from django.http import HttpRequest
from pydantic import BaseModel

from meterhall.domain.errors import InvalidInput

IN_PATH = re.compile(r"\{(?:\w+:)?(\w+)\}")


class ParameterUnknown(InvalidInput):
    code = "parameter_unknown"
    title = "The call has no such parameter; what is not understood is not passed over."


class ParameterRepeated(InvalidInput):
    code = "parameter_repeated"
    title = "A parameter is given once."


def parameters_of(run: Callable[..., Any], path: str) -> frozenset[str]:
    """The names a call takes behind the `?`: its own arguments, and the members of a model that stands for several."""
    names, in_path = set[str](), set(IN_PATH.findall(path))
    for name, argument in inspect.signature(run, eval_str=True).parameters.items():
        annotated = get_origin(argument.annotation) is Annotated
        kind = get_args(argument.annotation)[0] if annotated else argument.annotation
        if name in in_path or kind is HttpRequest:
            continue
        if not (inspect.isclass(kind) and issubclass(kind, BaseModel)):
            names.add(name)
        elif annotated:  # `Query[Model]`; a model by itself is the body
            names |= {field.alias or member for member, field in kind.model_fields.items()}
    return frozenset(names)


def only_known(run: Callable[..., Any], names: frozenset[str]) -> Callable[..., Any]:
    """`run`, after the parameters are `names` and no others. Raises `ParameterUnknown`, `ParameterRepeated`."""

    @functools.wraps(run)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        for name, values in request.GET.lists():
            if name not in names:
                raise ParameterUnknown(f"The call has no parameter {name[:40]!r}.", field="/" + name[:40])
            if len(values) > 1:
                raise ParameterRepeated(field=f"/{name}")
        return run(request, *args, **kwargs)

    return checked
