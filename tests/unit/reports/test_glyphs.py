"""Text of others is printed so that all of it can be seen, and never stops a report."""

import re
import struct
import unicodedata
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditsvc.reports.glyphs import build_pattern, escape_text, list_characters
from auditsvc.reports.render import FONT_FILES, FONTS, LANGUAGES, dump_report, render_pdf
from tests.support.reports import build_samples, name_consumers

PATTERN = build_pattern([(FONTS / name).read_bytes() for name in FONT_FILES])
EVERY = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
PRINTED = [char for char in EVERY if escape_text(char, PATTERN) == char]
NAMES = 12
ESCAPES = re.compile(r"<U\+[0-9A-F]{4,6}(?: U\+[0-9A-F]{4,6})*>")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return build_samples(tmp_path_factory.mktemp("samples"))["compliance"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("数据局", "数据局"),
        ("Data Office (No. 1) – é ü Ж Ω あ", "Data Office (No. 1) – é ü Ж Ω あ"),
        ("\U0001f600", "<U+1F600>"),
        ("a\u2764\ufe0fb", "a<U+2764 U+FE0F>b"),
        ("한국", "<U+D55C U+AD6D>"),
        ("x\u202egnp.exe", "x<U+202E>gnp.exe"),
        ("a\x00b\n", "a<U+0000>b<U+000A>"),
        ("\u200b\u00ad\ufeff", "<U+200B U+00AD U+FEFF>"),
        ("\uffa0\u3164", "<U+FFA0 U+3164>"),
        ("\ue000\uffff\U0010ffff", "<U+E000 U+FFFF U+10FFFF>"),
        ("e\u0301", "e<U+0301>"),
        ("", ""),
    ],
)
def test_what_cannot_be_seen_is_printed_as_its_code_points(text: str, expected: str) -> None:
    assert escape_text(text, PATTERN) == expected


def test_no_character_that_steers_is_printed_and_every_escape_is_plain() -> None:
    assert 25_000 < len(PRINTED) < 35_000
    assert not {unicodedata.category(char) for char in PRINTED} & {"Cc", "Cf", "Cn", "Co", "Zl", "Zp"}
    shown = set(PRINTED)
    assert all(ESCAPES.fullmatch(escape_text(char, PATTERN)) for char in EVERY if char not in shown)


def read_basic_plane(font: bytes) -> set[int]:
    """Return the code points of the older map of the basic plane, format 4, which fonts have beside the one we read."""
    table = font.index(b"cmap")
    start = int.from_bytes(font[table + 8 : table + 12], "big")
    word = lambda place: int.from_bytes(font[place : place + 2], "big")  # noqa: E731
    offsets = [
        int.from_bytes(font[at + 4 : at + 8], "big") for at in range(start + 4, start + 4 + 8 * word(start + 2), 8)
    ]
    at = next(start + offset for offset in offsets if word(start + offset) == 4)
    size = word(at + 6)
    found = set()
    for segment in range(0, size, 2):
        last, first = word(at + 14 + segment), word(at + 16 + size + segment)
        delta, place = word(at + 16 + 2 * size + segment), at + 16 + 3 * size + segment
        for code in range(first, last + 1):
            glyph = word(place + word(place) + 2 * (code - first)) if word(place) else code
            if (glyph + (delta if glyph else 0)) % 65536:
                found.add(code)
    return found


@pytest.mark.parametrize("name", FONT_FILES)
def test_the_map_read_from_a_font_agrees_with_its_map_of_the_basic_plane(name: str) -> None:
    font = (FONTS / name).read_bytes()
    drawn = list_characters(font)
    assert {code for code in drawn if code < 0xFFFF} == read_basic_plane(font) - {0xFFFF}
    assert ord("\U0002cb4e") in drawn


def test_only_the_map_of_all_planes_is_read_and_the_missing_glyph_is_none() -> None:
    older = struct.pack(">HHH", 6, 12, 0) + bytes(6)
    groups = struct.pack(">III", 65, 67, 0) + struct.pack(">III", 0x1F600, 0x1F600, 9)
    newer = struct.pack(">HHIII", 12, 0, 16 + len(groups), 0, 2) + groups
    table = struct.pack(">HH", 0, 2) + struct.pack(">HHI", 1, 0, 20) + struct.pack(">HHI", 3, 10, 32) + older + newer
    head = b"OTTO" + struct.pack(">HHHH", 2, 0, 0, 0)
    entries = struct.pack(">4sIII", b"CFF ", 0, 0, 0) + struct.pack(">4sIII", b"cmap", 0, 44, len(table))
    assert list_characters(head + entries + table) == {66, 67, 0x1F600}


@pytest.mark.parametrize("font", [b"", b"OTTO", b"OTTO\x00\x00", b"\x00" * 4 + struct.pack(">H", 3)])
def test_what_is_no_font_is_refused(font: bytes) -> None:
    with pytest.raises(ValueError, match="no OpenType font"):
        list_characters(font)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_character_printed_as_it_is_has_a_glyph(language: str, sample: dict[str, Any]) -> None:
    size = -(-len(PRINTED) // NAMES)
    names = ["".join(PRINTED[start : start + size]) for start in range(0, len(PRINTED), size)]
    report = name_consumers(sample, names)
    report["city"] = {"zh": names[0][:500], "en": names[1][:500]}
    report["origin"] = "".join(PRINTED[::100])
    assert render_pdf(dump_report(report), language).startswith(b"%PDF")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), min_size=NAMES, max_size=NAMES),
    language=st.sampled_from(LANGUAGES),
)
def test_any_text_can_be_a_consumers_name(names: list[str], language: str, sample: dict[str, Any]) -> None:
    report = name_consumers(sample, names)
    report["city"] = {"zh": names[0], "en": names[1]}
    report["origin"], report["checkpoint"] = names[2], names[3]
    data = dump_report(report)
    assert render_pdf(data, language) == render_pdf(data, language)
