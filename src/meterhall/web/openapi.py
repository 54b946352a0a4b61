"""The OpenAPI document as it is published: what goes out, in which media types, and what a body read as it comes is."""

from __future__ import annotations

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

JSON, GIVES, TAKES = "application/json", "x-gives", "x-takes"


class Api(NinjaAPI):
    """An API whose OpenAPI document says what goes out: refusals are problem documents, and no member is ever null."""

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        document = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"] = dict(sorted(operation["responses"].items(), key=lambda each: int(each[0])))
                gives, takes = operation.pop(GIVES, JSON), operation.pop(TAKES, None)
                if takes is not None:
                    operation["requestBody"] = takes.published(document["components"]["schemas"])
                for status, answer in operation["responses"].items():
                    media = "application/problem+json" if int(status) >= 400 else gives
                    if media != JSON and "content" in answer:
                        answer["content"] = {media: answer["content"][JSON]}
        for schema in document["components"]["schemas"].values():
            if "required" in schema:
                schema["required"] = [name for name in schema["required"] if not _is_nullable(schema, name)]
        return document


def _is_nullable(schema: dict[str, Any], name: str) -> bool:
    """Whether a member may be null, and is then left out of the answer."""
    return {"type": "null"} in schema["properties"][name].get("anyOf", [])
