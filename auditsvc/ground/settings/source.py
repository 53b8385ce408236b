"""Settings from the environment and a TOML file, read by marshmallow; every problem is reported, with its location."""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marshmallow import Schema, ValidationError

from auditsvc.ground.errors import AuditError
from auditsvc.ground.settings.schema import ENVIRONMENT, TOML_FILE, build_schema

PREFIX = "AUDITSVC_"
CONFIG_KEY = "AUDITSVC_CONFIG"
_CACHE_KEY = "AUDITSVC_CACHE"
"""Where the project's tools keep downloads; not the service's."""
_TEST_PREFIX = "AUDITSVC_TEST_"


@dataclass(frozen=True, slots=True)
class SettingSource:
    """One source of settings.

    Attributes:
        schema: parses its values.
        prefix: prefix of its keys; in the environment they are also upper case.
        values: setting name to the raw value.
        places: setting name to its location: a variable, or file, line and key.
    """

    schema: Schema
    prefix: str
    values: Mapping[str, Any]
    places: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """The values that were set, each valid, and their locations."""

    values: Mapping[str, Any]
    places: Mapping[str, str]

    def where(self, name: str) -> str:
        """Return where a setting is set, or the variable that would set it."""
        return self.places.get(name, f"{PREFIX}{name.upper()}")


def read_settings(declared: type[Any], environ: Mapping[str, str]) -> ReadSettings:
    """Return the settings of the TOML file and the environment, which takes precedence.

    Raises:
        AuditError: ``settings_invalid`` with all unknown keys and wrong values, or for a file that cannot be read.
    """
    environment = _open_environment(declared, environ)
    config = environ.get(CONFIG_KEY)
    file = _open_file(declared, Path(config), environment.values) if config else None
    sources = [source for source in (file, environment) if source]
    values: dict[str, Any] = {}
    problems: list[str] = []
    for source in sources:
        try:
            values |= source.schema.load(source.values)
        except ValidationError as err:
            problems += _describe(source, err)
    if problems:
        raise refuse(problems)
    return ReadSettings(values, {name: place for source in sources for name, place in source.places.items()})


def refuse(problems: Sequence[str]) -> AuditError:
    """Return one error that reports all problems, one per line."""
    return AuditError("settings_invalid", "\n".join(problems), problems=list(problems))


def _describe(source: SettingSource, err: ValidationError) -> Iterator[str]:
    """Yield the problems of a source, each prefixed with its location."""
    for name, texts in err.messages_dict.items():
        place = source.places[name]
        if name in source.schema.fields:
            yield from (f"{place}: {text}" for text in texts)
        else:
            yield f"unknown setting `{place}`{_suggest(source, name)}"


def _suggest(source: SettingSource, name: str) -> str:
    """Return a hint about an unknown name: a similar known one, and where all are listed."""
    close = difflib.get_close_matches(name, source.schema.fields, n=1)
    spelled = [f"{source.prefix}{found.upper()}" if source.prefix else found for found in close]
    meant = f"; did you mean `{spelled[0]}`?" if spelled else ""
    return f"{meant}; docs/settings.md lists the known ones"


def _open_environment(declared: type[Any], environ: Mapping[str, str]) -> SettingSource:
    """Return the environment variables that are settings."""
    keys = {
        key.removeprefix(PREFIX).lower(): key
        for key in environ
        if key.startswith(PREFIX) and key not in (CONFIG_KEY, _CACHE_KEY) and not key.startswith(_TEST_PREFIX)
    }
    values = {name: environ[key] for name, key in keys.items()}
    return SettingSource(build_schema(declared, ENVIRONMENT), PREFIX, values, keys)


def _open_file(declared: type[Any], path: Path, overridden: Mapping[str, str]) -> SettingSource:
    """Return the keys of a TOML file, without those that the environment overrides."""
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except OSError as err:
        raise refuse([f"{CONFIG_KEY}: cannot read `{path}`: {err.strerror}"]) from err
    except ValueError as err:  # beside TOML and UTF-8 errors: an integer of thousands of digits
        raise refuse([f"{CONFIG_KEY}: `{path}` is not valid TOML: {err}"]) from err
    values = {key: value for key, value in table.items() if key not in overridden}
    places = {key: f"{path}{_find_line(text, key)}: {key}" for key in values}
    return SettingSource(build_schema(declared, TOML_FILE), "", values, places)


def _find_line(text: str, key: str) -> str:
    """Return ``:<line>`` of a top-level key, an empty text when it is written in an unusual way."""
    written = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[]=.]""")
    for number, line in enumerate(text.splitlines(), 1):
        if written.match(line):
            return f":{number}"
    return ""
