"""``docs/event-fields.md``, written from the field catalogue."""

from auditsvc.event.fields import FIELDS, INPUT_ONLY, SCHEMA_VERSION
from auditsvc.event.model import QUALITY_FLAGS


def build_reference() -> str:
    """Return the reference page as Markdown."""
    lines = [
        "# Fields of the access event",
        "",
        f"Schema version {SCHEMA_VERSION}. This page is written by `python -m auditsvc.event.reference` from",
        "`auditsvc/event/fields.py`; a test fails when the two differ.",
        "",
        "*must* and *should* come from the producer, *joined* from the catalogue, *derived* from auditsvc.",
        "`[]` marks lists. Times are RFC 3339 with an offset on input and UTC nanoseconds inside.",
        "",
        "| field | type | origin | meaning | 含义 | stored path (Elasticsearch) |",
        "|---|---|---|---|---|---|",
    ]
    for field in FIELDS:
        kind = field.kind.value + ("[]" if field.multi else "")
        if field.values:
            kind += ": " + ", ".join(field.values)
        lines.append(
            f"| `{field.name}` | {kind} | {field.level.value} | {field.meaning} | {field.meaning_zh} | `{field.path}` |"
        )
    lines.append("| `labels.*` | keyword | should | free labels | 自定义标签 | `labels.*` |")
    lines += ["", "Accepted on input only:", ""]
    lines += [f"- `{name}`: {meaning}" for name, meaning in INPUT_ONLY.items()]
    lines += ["", "## Quality flags", "", "| flag | meaning |", "|---|---|"]
    lines += [f"| `{flag}` | {meaning} |" for flag, meaning in QUALITY_FLAGS.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(build_reference(), end="")  # noqa: T201  (a document generator writes to standard output)
