"""Writes the reference pages that follow from the code: event fields, settings, error codes.

``python tools/reference.py`` writes them; with ``--check`` it exits 1 when one differs from the code.
"""

import ast
import sys
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from auditsvc.event.fields import FIELDS, INPUT_ONLY, SCHEMA_VERSION  # noqa: E402
from auditsvc.event.model import QUALITY_FLAGS  # noqa: E402
from auditsvc.ground.errors import CODES  # noqa: E402  (the project's folder must be on the path first)
from auditsvc.ground.settings.model import Settings  # noqa: E402
from auditsvc.ground.settings.source import PREFIX  # noqa: E402

WRITTEN = "This page is written by `python tools/reference.py`; a test fails when it differs from the code."


def build_event_fields() -> str:
    """Return the page on the fields of the event."""
    lines = [
        "# Fields of the access event",
        "",
        f"Schema version {SCHEMA_VERSION}. {WRITTEN}",
        "",
        "*must* and *should* come from the producer, *joined* from the catalogue, *derived* from auditsvc.",
        "`[]` marks lists. Times are RFC 3339 with an offset on input and UTC nanoseconds inside.",
        "Integers and numbers are from -2^53 to 2^53 on input.",
        "",
        "| field | type | origin | meaning | 含义 | stored path (Elasticsearch) |",
        "|---|---|---|---|---|---|",
    ]
    for field in FIELDS:
        kind = field.kind.value + ("[]" if field.multi else "")
        if field.values:
            kind += ": " + ", ".join(field.values)
        cells = (f"`{field.name}`", kind, field.level.value, field.meaning, field.meaning_zh, f"`{field.path}`")
        lines.append(f"| {' | '.join(cells)} |")
    lines.append("| `labels.*` | keyword | should | free labels | 自定义标签 | `labels.*` |")
    lines += ["", "Accepted on input only:", ""]
    lines += [f"- `{name}`: {meaning}" for name, meaning in INPUT_ONLY.items()]
    lines += ["", "## Quality flags", "", "| flag | meaning |", "|---|---|"]
    lines += [f"| `{flag}` | {meaning} |" for flag, meaning in QUALITY_FLAGS.items()]
    return "\n".join(lines) + "\n"


def build_settings() -> str:
    """Return the page on settings, their meaning taken from the text below each in the source."""
    source = ast.parse((ROOT / "auditsvc" / "ground" / "settings" / "model.py").read_text(encoding="utf-8"))
    body = next(node.body for node in source.body if isinstance(node, ast.ClassDef) and node.name == "Settings")
    meanings: dict[str, str] = {}
    for node, following in pairwise(body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            text = following.value if isinstance(following, ast.Expr) else None
            described = isinstance(text, ast.Constant) and isinstance(text.value, str)
            meanings[node.target.id] = " ".join(str(text.value).split()) if described and text else ""
    lines = [
        "# Settings",
        "",
        f"{WRITTEN} Set each in the environment or, in lower case without `{PREFIX}`, in the TOML file",
        "named by `AUDITSVC_CONFIG`; the environment wins. Unknown keys are refused; all problems are reported at once.",
        "",
        "| environment | default | meaning |",
        "|---|---|---|",
    ]
    for field in fields(Settings):
        default = "" if field.default in (None, "") else f"`{field.default}`"
        lines.append(f"| `{PREFIX}{field.name.upper()}` | {default} | {meanings.get(field.name, '')} |")
    return "\n".join(lines) + "\n"


def build_errors() -> str:
    """Return the page on error codes."""
    lines = [
        "# Error codes",
        "",
        f"{WRITTEN} A code is the same in the API, the console, the command line and the logs.",
        "",
        "| code | HTTP status | exit code | meaning |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{code}` | {info.http_status} | {info.exit_code} | {info.meaning} |" for code, info in CODES.items()]
    return "\n".join(lines) + "\n"


PAGES = {"event-fields.md": build_event_fields, "settings.md": build_settings, "errors.md": build_errors}


def main() -> int:
    """Write the pages, or with ``--check`` name those that differ."""
    stale = []
    for name, build in PAGES.items():
        path = ROOT / "docs" / name
        text = build()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    if stale:
        print(
            "written: " + ", ".join(stale) if "--check" not in sys.argv else "differ from the code: " + ", ".join(stale)
        )
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
