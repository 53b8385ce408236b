"""Charts rendered on the server as SVG: no script, no inline style, colours from the style sheet by class name.

Every chart carries a text summary, and the page shows the same figures as a table below it, so nothing is conveyed by
colour or shape alone. Links of a chart are for the mouse; the table below offers them for the keyboard.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH = 960
"""Units across; the style sheet scales the drawing to its box."""
_LEFT = 56
_RIGHT = 12
_TOP = 14
_BOTTOM = 26
_NICE_STEPS = (1, 2, 5, 10)
_LABEL_WIDTH = 96
"""Units a label of the horizontal axis takes; as many are drawn as fit."""


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity of a chart: its name for people and the CSS class of its shapes."""

    name: str
    css: str


@dataclass(frozen=True, slots=True)
class ChartColumn:
    """One column of a chart.

    Attributes:
        label: text below the axis.
        title: text for the pointer and for readers, with the figures.
        values: one for each series, not negative, stacked from the bottom.
        href: where a click leads: to as many rows as the column is high; empty for nowhere.
    """

    label: str
    title: str
    values: tuple[int, ...]
    href: str = ""


def build_column_chart(
    columns: Sequence[ChartColumn], series: Sequence[Series], *, summary: str, height: int = 220
) -> Markup:
    """Return stacked columns over a horizontal axis, with a scale of round numbers.

    ``summary`` describes the chart in words.
    """
    top = count_scale_top(max((sum(column.values) for column in columns), default=0))
    plot = height - _TOP - _BOTTOM
    role = "group" if any(column.href for column in columns) else "img"
    parts = [
        Markup('<svg class="chart" viewBox="0 0 {} {}" role="{}" aria-label="{}">').format(WIDTH, height, role, summary)
    ]
    parts += [_draw_scale_line(value, top, plot) for value in list_scale_values(top)]
    step = (WIDTH - _LEFT - _RIGHT) / max(len(columns), 1)
    every = max(1, round(_LABEL_WIDTH / step + 0.49)) if columns else 1
    for index, column in enumerate(columns):
        left = _LEFT + index * step
        parts.append(_draw_column(column, series, left=left, step=step, top=top, plot=plot))
        if index % every == 0:
            parts.append(
                Markup('<text class="axis" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                    left + step / 2, height - 8, column.label
                )
            )
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


def count_scale_top(largest: int) -> int:
    """Return the smallest of 1, 2 or 5 times a power of ten, or four times such a number, that is at least ``largest``."""
    if largest <= 4:
        return 4
    power = 1
    while True:
        for step in _NICE_STEPS[:3]:
            if step * power * 4 >= largest:
                return step * power * 4
        power *= 10


def list_scale_values(top: int) -> list[int]:
    """Return the five values marked on the vertical axis."""
    return [top * quarter // 4 for quarter in range(5)]


def _draw_scale_line(value: int, top: int, plot: int) -> Markup:
    """Return one line of the scale with its number."""
    y = _TOP + plot - plot * value / top
    return Markup(
        '<line class="{}" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
        '<text class="axis" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
    ).format("axis-line" if value == 0 else "grid-line", _LEFT, WIDTH - _RIGHT, y, y, _LEFT - 8, y + 4, f"{value:,}")


def _draw_column(
    column: ChartColumn, series: Sequence[Series], *, left: float, step: float, top: int, plot: int
) -> Markup:
    """Return the shapes of one column, as one link if it has a target."""
    gap = min(step * 0.18, 6)
    shapes = [Markup("<title>{}</title>").format(column.title)]
    shapes.append(
        Markup('<rect class="column-back" x="{:.1f}" y="{}" width="{:.1f}" height="{}"/>').format(
            left, _TOP, step, plot
        )
    )
    base = float(_TOP + plot)
    for one, value in zip(series, column.values, strict=True):
        size = plot * value / top
        base -= size
        if value:
            shapes.append(
                Markup('<rect class="{}" x="{:.1f}" y="{:.2f}" width="{:.1f}" height="{:.2f}"/>').format(
                    one.css, left + gap / 2, base, step - gap, size
                )
            )
    inner = Markup("").join(shapes)
    if column.href:
        return Markup('<a href="{}" tabindex="-1" class="column" data-counts="{}">{}</a>').format(
            escape(column.href), sum(column.values), inner
        )
    return Markup('<g class="column">{}</g>').format(inner)
