"""Clock changes as ESPI writes them: `LocalTimeParameters` of an IANA zone, and a zone of its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from meterhall.domain.readings import UnknownZone, zone_of
from meterhall.formats.base import EncodeError

NO_RULE: Final = "FFFFFFFF"
_LAST_SUNDAY: Final = 7 << 25 | 7 << 17
_HOUR: Final = 3600
_EUROPE: Final = {
    -_HOUR: "Atlantic/Azores", 0: "Europe/Lisbon", _HOUR: "Europe/Brussels", 2 * _HOUR: "Europe/Athens"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LocalTime:
    """The elements of `LocalTimeParameters`: rules as eight hexadecimal digits (`DstRuleType`), offsets in seconds."""

    end_rule: str
    dst_offset: int
    start_rule: str
    tz_offset: int


@lru_cache(maxsize=64)
def local_time(zone_name: str) -> LocalTime:
    """The parameters of a zone that changes its clock by the European rule, or never. Raises `EncodeError`."""
    try:
        zone = zone_of(zone_name)
    except UnknownZone as fault:
        raise EncodeError(fault.detail, field="/zones") from None
    offset = _offset(zone, datetime(2026, 1, 1, tzinfo=UTC))
    spring, autumn = datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)
    before = timedelta(seconds=1)
    seen = [_offset(zone, at) - offset for at in (spring - before, spring, autumn - before, autumn)]
    if seen == [0, 0, 0, 0]:
        return LocalTime(NO_RULE, 0, NO_RULE, offset)
    if seen != [0, _HOUR, _HOUR, 0] or offset % _HOUR:
        raise EncodeError(f"The clock changes of {zone_name} are not known here.", field="/zones")
    hour = 1 + offset // _HOUR
    return LocalTime(_rule(10, hour + 1), _HOUR, _rule(3, hour), offset)


def _offset(zone: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _rule(month: int, hour: int) -> str:
    return f"{month << 28 | _LAST_SUNDAY | hour << 12:08X}"


def zone_by(parameters: LocalTime) -> ZoneInfo | None:
    """A zone with these parameters; None where none is known."""
    if parameters.start_rule.upper() == NO_RULE or parameters.dst_offset == 0:
        hours, rest = divmod(parameters.tz_offset, _HOUR)
        return zone_of(f"Etc/GMT{-hours:+d}" if hours else "UTC") if rest == 0 and -12 <= hours <= 14 else None
    name = _EUROPE.get(parameters.tz_offset)
    same = name is not None and local_time(name).start_rule == parameters.start_rule.upper()
    return zone_of(name) if name is not None and same else None
