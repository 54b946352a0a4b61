"""Reading XML safely: no document type, no entities, nothing from elsewhere. No format is read here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from lxml import etree

from meterhall.formats.base import DecodeError


def elements(source: bytes | BinaryIO, tags: tuple[str, ...], *, root: str | None = None) -> Iterator[Any]:
    """The elements of these names (`{namespace}name`) as they end, without comments and processing instructions.

    Who takes one clears it. Raises `DecodeError` where it is no well-formed XML, has a document type, or has another
    root than `root`.
    """
    events = etree.iterparse(
        io.BytesIO(source) if isinstance(source, bytes) else source,
        events=("end",) if root is None else ("start", "end"),
        tag=tags if root is None else (root, *tags),
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    judged = False
    try:
        for event, element in events:
            if not judged and element.getroottree().docinfo.internalDTD is not None:
                raise DecodeError("A document type is not accepted.", field="/")
            judged = True
            if event == "end" and element.tag != root:
                yield element
        found = events.root
        if root is not None and (found is None or found.tag != root):
            raise DecodeError(f"The file is no {etree.QName(root).localname}.", field="/")
    except etree.XMLSyntaxError as fault:
        raise DecodeError(f"The file is no well-formed XML: {fault.msg}.", field="/") from None


def clear(element: Any) -> None:
    """Free an element that was read, and what stands before it."""
    above = element.getparent()
    element.clear()
    while above is not None and element.getprevious() is not None:
        del above[0]
