"""Translations of the console: ``extract`` and ``update`` for whoever changes a text, ``compile`` at set-up.

Texts in code and templates are English; ``auditsvc/console/translations/<language>/LC_MESSAGES/messages.po`` holds the
others and is committed; the compiled ``.mo`` beside it is not. ``compile`` is quick when nothing changed.
"""

import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "auditsvc" / "console"
TRANSLATIONS = SOURCE / "translations"
LANGUAGES = ("zh",)
"""Languages beside English."""
METHODS = [("**/vendor/**", "ignore"), ("**.py", "python"), ("**/templates/**.html", "jinja2")]
KEYWORDS = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}
OPTIONS = {"**/templates/**.html": {"silent": "false"}}


def main() -> int:
    """Do what the command line says; return the exit code."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command == "extract":
        for text in sorted(str(message.id) for message in extract() if message.id):
            print(text)
    elif command == "update":
        for language in LANGUAGES:
            update(language)
    elif command == "compile":
        for language in LANGUAGES:
            compile_catalog(language)
    elif command == "check":
        return report(check())
    else:
        print("usage: python tools/translations.py extract|update|compile|check", file=sys.stderr)
        return 2
    return 0


def extract() -> Catalog:
    """Return every text of the console that people see, with no places, so that a moved line changes nothing."""
    template = Catalog(project="auditsvc", charset="utf-8", fuzzy=False)
    found = extract_from_dir(SOURCE, METHODS, OPTIONS, keywords=KEYWORDS)
    for _file, _line, message, _comments, context in found:
        template.add(message, context=context)
    return template


def path_of(language: str) -> Path:
    """Return where the catalogue of a language lies."""
    return TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"


def read(language: str) -> Catalog:
    """Return the committed catalogue of a language, an empty one where there is none."""
    path = path_of(language)
    if not path.exists():
        return Catalog(locale=language, project="auditsvc", charset="utf-8", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def update(language: str) -> None:
    """Add new texts to a catalogue, empty, and drop those nobody uses."""
    known = read(language)
    catalog = Catalog(locale=language, project="auditsvc", charset="utf-8", fuzzy=False)
    for message in extract():
        if message.id:
            old = known.get(message.id)
            catalog.add(message.id, old.string if old else "")
    path = path_of(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalog, omit_header=True, sort_output=True, width=120, include_lineno=False)
    print(f"{path.relative_to(ROOT)}: {len(catalog)} texts, {len(check())} to do")


def compile_catalog(language: str) -> None:
    """Write the compiled catalogue when it is missing or older than its text."""
    path = path_of(language)
    target = path.with_suffix(".mo")
    if target.exists() and target.stat().st_mtime_ns >= path.stat().st_mtime_ns:
        return
    draft = target.with_suffix(".part")
    with draft.open("wb") as file:
        write_mo(file, read(language))
    draft.replace(target)


def check() -> list[str]:
    """Return what is missing: texts without a translation, translations without a text, placeholders that differ."""
    wanted = {message.id for message in extract() if message.id}
    problems = []
    for language in LANGUAGES:
        catalog = read(language)
        known = {message.id: message for message in catalog if message.id}
        problems += [f"{language}: not in the catalogue: {text}" for text in wanted - known.keys()]
        problems += [f"{language}: no longer used: {text}" for text in known.keys() - wanted]
        problems += [f"{language}: not translated: {text}" for text, message in known.items() if not message.string]
        problems += [
            f"{language}: {text}: {error}" for text, message in known.items() for error in message.check(catalog)
        ]
    return sorted(problems)


def report(problems: list[str]) -> int:
    """Print problems; return 1 when there are any."""
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
