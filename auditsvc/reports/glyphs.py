"""Text that is not ours, made fit for the pages: what cannot be seen or drawn is printed as its code point.

Each run of such characters becomes ``<U+1F600 U+FE0F>``. These are characters without a glyph in every packaged font, and
those that steer instead of showing: controls, line ends, bidirectional and other format characters, variation selectors
and fillers. The exact text stays in ``report.json``. The spaces within a run are where a line may break.
"""

import re
import struct
import unicodedata
from collections.abc import Iterable

_STEERING = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""General categories of what is never printed as it is, whatever a font has."""
_UNSEEN = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, 0xFFFC}
    | set(range(0x180B, 0x1810))
    | set(range(0xFE00, 0xFE10))
    | set(range(0xE0000, 0xE1000))
)
"""Default ignorable code points of other categories (Unicode, DerivedCoreProperties), and blanks that are no spaces."""
_SEGMENTED = 12
"""Format of the character map that covers every plane (OpenType, ``cmap``)."""


def list_characters(font: bytes) -> frozenset[int]:
    """Return the code points an OpenType font has a glyph for.

    Raises:
        ValueError: it has no character map of all planes.

    Source: OpenType 1.9, ``cmap``, format 12.
    """
    try:
        tables = struct.unpack_from(">H", font, 4)[0]
        entries = [struct.unpack_from(">4s4xI4x", font, 12 + 16 * number) for number in range(tables)]
        return _read_map(font, next(place for tag, place in entries if tag == b"cmap"))
    except (struct.error, StopIteration) as err:
        raise ValueError("no OpenType font with a character map of all planes") from err


def _read_map(font: bytes, start: int) -> frozenset[int]:
    """Return the code points of the map of all planes in the table at ``start``."""
    count = struct.unpack_from(">H", font, start + 2)[0]
    offsets = [struct.unpack_from(">4xI", font, start + 4 + 8 * number)[0] for number in range(count)]
    place = next(at for at in (start + offset for offset in offsets) if _read_format(font, at) == _SEGMENTED)
    groups = struct.unpack_from(">I", font, place + 12)[0]
    found: set[int] = set()
    for number in range(groups):
        first, last, glyph = struct.unpack_from(">III", font, place + 16 + 12 * number)
        found.update(range(first + (glyph == 0), last + 1))  # glyph 0 is the sign for a missing one
    return frozenset(found)


def _read_format(font: bytes, place: int) -> int:
    """Return the format of the subtable at ``place``."""
    number: int = struct.unpack_from(">H", font, place)[0]
    return number


def build_pattern(fonts: Iterable[bytes]) -> re.Pattern[str]:
    """Return what finds each run of characters that cannot be printed as they are.

    Args:
        fonts: OpenType fonts, at least one; a character must have a glyph in each.
    """
    drawn = frozenset.intersection(*(list_characters(font) for font in fonts))
    shown = sorted(code for code in drawn if code not in _UNSEEN and unicodedata.category(chr(code)) not in _STEERING)
    return re.compile(f"[^{''.join(re.escape(chr(code)) for code in shown)}]+")


def escape_text(text: str, pattern: re.Pattern[str]) -> str:
    """Return ``text`` with each run that ``pattern`` finds as code points."""
    return pattern.sub(lambda run: f"<{' '.join(f'U+{ord(char):04X}' for char in run.group())}>", text)
