"""Formatting of values for people: numbers, instants in the configured zone, sizes, digests, two-language titles."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from flask_babel import format_decimal, get_locale
from markupsafe import Markup

from auditsvc.event.time import to_datetime
from auditsvc.runtime.services import get_services

CHINESE = "zh"
ABSENT = "—"
"""Placeholder for a missing value, which is not zero."""
_KIB = 1024


def current_language() -> str:
    """Return ``zh`` or ``en``, the language of the current page."""
    locale = get_locale()
    return locale.language if locale is not None else CHINESE


def show_number(value: int | float | None) -> str:
    """Return a number with its thousands grouped."""
    return ABSENT if value is None else str(format_decimal(value))


def show_percent(value: Decimal | None) -> str:
    """Return a percentage with two decimals and the percent sign; a dash for None."""
    return ABSENT if value is None else f"{value} %"


def local_time(value: datetime | int) -> datetime:
    """Return an instant (aware, or nanoseconds since 1970 UTC) in the configured zone."""
    instant = to_datetime(value) if isinstance(value, int) else value
    return instant.astimezone(get_services().settings.zone)


def show_instant(value: datetime | int | None) -> Markup | str:
    """Return an instant as a ``<time>`` element: local time to the second, with UTC for programs and as tooltip."""
    if value is None:
        return ABSENT
    local = local_time(value)
    exact = local.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(exact, exact, local.strftime("%Y-%m-%d %H:%M:%S"))


def show_zone(now: datetime) -> str:
    """Return the configured zone with its offset now, such as ``Asia/Shanghai, UTC+08:00``."""
    settings = get_services().settings
    offset = now.astimezone(settings.zone).strftime("%z")
    return f"{settings.time_zone}, UTC{offset[:3]}:{offset[3:5]}"


def show_size(count: int | None) -> str:
    """Return a number of bytes in the largest binary unit that keeps it above one."""
    if count is None:
        return ABSENT
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < _KIB:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _KIB
    return f"{size:.1f} TiB"


def show_digest(value: bytes | str | None) -> str:
    """Return a digest as hex."""
    if value is None:
        return ABSENT
    return value.hex() if isinstance(value, bytes) else value


def pick_language(texts: Mapping[str, str] | str | None) -> str:
    """Return the text in the language of the page, else in the other one."""
    if texts is None:
        return ""
    if isinstance(texts, str):
        return texts
    return texts.get(current_language()) or next(iter(texts.values()), "")
