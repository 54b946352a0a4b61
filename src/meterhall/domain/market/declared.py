"""What a player declares about itself in words and addresses: whether others can use and show it."""

from __future__ import annotations

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from meterhall.domain.errors import InvalidInput
from meterhall.domain.protocol.players import Endpoints
from meterhall.domain.seen import is_seen

_PRINTABLE: Final = re.compile(r"[\x21-\x7e]+")
_PUBLIC, _PRIVATE, _MACHINE, _NOWHERE = range(4)
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?", re.ASCII)


class AddressInvalid(InvalidInput):
    code = "address_invalid"
    title = "The address cannot be used."


class TextUnseen(InvalidInput):
    code = "text_unseen"
    title = "The text holds control characters, or characters that turn its direction."


def check_endpoints(endpoints: Endpoints, own: str, where: str = "/endpoints") -> None:
    """Refuse addresses nobody could reach, or that the platform at `own` should not call. Raises `AddressInvalid`.

    A query is for redirect URIs alone (RFC 6749, 3.1.2): to the others paths are added, and the first is an issuer
    (RFC 8414, 2).
    """
    for name in ("b2b", "portal", "inbox"):
        if (address := getattr(endpoints, name)) is not None:
            if name == "portal":  # which only people's browsers call
                _check_address(address, f"{where}/{name}", may_ask=False)
            else:
                check_called(address, own, field=f"{where}/{name}")
    for at, address in enumerate(endpoints.redirect_uris):
        _check_address(address, f"{where}/redirect_uris/{at}", may_ask=True)


def _check_address(address: str, field: str, *, may_ask: bool) -> None:
    try:
        parts = urlsplit(address)
        has_port = parts.port != 0  # reading it refuses what is above 65535
    except ValueError:
        raise AddressInvalid("The address has no host and port that could be called.", field=field) from None
    if not _PRINTABLE.fullmatch(address):
        raise AddressInvalid("An address is written in ASCII characters that are seen.", field=field)
    if not has_port or not _is_host(parts):
        raise AddressInvalid("The address has no host and port that could be called.", field=field)
    if "@" in parts.netloc:
        raise AddressInvalid("An address holds no name and password.", field=field)
    if any(unquote(part) in {".", ".."} for part in parts.path.split("/")):
        raise AddressInvalid("The path of an address has no step back: no . and no ..", field=field)
    if "?" in address and not may_ask:
        raise AddressInvalid("The address has no query: paths are added to it.", field=field)


def _is_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if "[" not in parts.netloc:
        return _HOST.fullmatch(host) is not None
    try:
        return bool(IPv6Address(host))
    except ValueError:
        return False


def check_called(address: str, own: str, *, field: str) -> None:
    """Refuse an address that cannot be called, or that leads back to the caller or into its network.

    `own` is the public address of the platform that takes it. An address of numbers is for a network everybody
    reaches, unless `own` is such an address as well: on one machine, or within one private network, platforms may name
    each other so. What a name leads to is not asked: a certificate for that name has to be shown there. Raises
    `AddressInvalid`.
    """
    _check_address(address, field, may_ask=False)
    there, here = urlsplit(address), urlsplit(own)
    if (there.hostname, there.port or 443) == (here.hostname, here.port or 443):
        raise AddressInvalid("It is this platform's own address.", field=field)
    if _nearness(there.hostname or "") > min(_nearness(here.hostname or ""), _MACHINE):
        raise AddressInvalid("It is an address within a machine or a private network.", field=field)


def _nearness(host: str) -> int:
    """How near to a machine an address of numbers is; a name is public."""
    if host == "localhost" or host.endswith(".localhost"):
        return _MACHINE
    try:
        number = ip_address(host)
    except ValueError:
        try:
            number = IPv4Address(socket.inet_aton(host))  # also as resolvers read it: 2130706433, 127.1
        except OSError:
            return _PUBLIC
    number = (number.ipv4_mapped if isinstance(number, IPv6Address) else None) or number
    if number.is_loopback:
        return _MACHINE
    if number.is_link_local or number.is_multicast or number.is_unspecified or number.is_reserved:
        return _NOWHERE
    return _PUBLIC if number.is_global else _PRIVATE


def check_seen(text: str, *, field: str, lines: bool = False) -> None:
    """Refuse characters that are not seen; a text of `lines` may be broken and indented. Raises `TextUnseen`."""
    if not is_seen(text, lines=lines):
        raise TextUnseen(field=field)
