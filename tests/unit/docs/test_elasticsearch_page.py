"""What the page on Elasticsearch tells to type exists, and its arithmetic is right."""

import re
from pathlib import Path

import click
import pytest

from auditsvc.cli.main import cli
from auditsvc.ground.settings.model import Settings
from auditsvc.ground.settings.source import PREFIX
from auditsvc.store.elasticsearch.mapping import TABLES, Names

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "elasticsearch.md").read_text(encoding="utf-8")
TYPED = [
    line.strip().removeprefix("auditsvc ").split() for line in PAGE.splitlines() if re.match(r" {4,}auditsvc ", line)
]
SIZES = re.findall(r"^\| ([\d,]+) \| ([\d,]+) \| ([\d,.]+) \| ([\d.]+) \|", PAGE, re.MULTILINE)
ACCESSES_A_DAY, DAYS, PEAK = 10_000, 30.4, 10
MOST_DOCUMENTS = 2_147_483_519
"""Of one shard: Lucene's own bound."""


@pytest.mark.parametrize("words", TYPED, ids=" ".join)
def test_each_command_of_the_page_exists_with_its_options(words: list[str]) -> None:
    command: click.Command | None = cli
    rest = words
    while isinstance(command, click.Group):
        command, rest = command.get_command(click.Context(command), rest[0]), rest[1:]
    assert command is not None
    _, left, _ = command.make_parser(click.Context(command)).parse_args(list(rest))
    assert not left


def test_the_settings_of_the_page_are_accepted_together() -> None:
    named = dict(re.findall(rf"^ +({PREFIX}\w+)=(\S+)$", PAGE, re.MULTILINE))
    made = Settings.from_mapping(named)
    assert made.event_store == "elasticsearch"
    assert len(made.elasticsearch_hosts) == 2


def test_every_index_of_the_store_is_on_the_page() -> None:
    names = Names("gs")
    for index in (names.state, names.alias, *(names.table(kind) for kind in TABLES)):
        assert f"`{index}`" in PAGE
    assert names.events("2026.11") in PAGE


def test_the_sizes_follow_from_the_formulas() -> None:
    assert [row[0] for row in SIZES] == ["1", "10", "100", "1,000", "10,000"]
    for row in SIZES:
        interfaces, events, busiest, volume = (float(cell.replace(",", "")) for cell in row)
        assert events == pytest.approx(interfaces * ACCESSES_A_DAY * DAYS)
        assert busiest == pytest.approx(interfaces * ACCESSES_A_DAY / 86_400 * PEAK, rel=0.05)
        assert volume == pytest.approx(events * 100 / 1e9, rel=0.05)
    assert f"{MOST_DOCUMENTS:,}" in PAGE
    assert f"{MOST_DOCUMENTS / (ACCESSES_A_DAY * DAYS):,.0f} interfaces" in PAGE
