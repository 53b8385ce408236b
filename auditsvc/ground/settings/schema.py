"""The marshmallow schemas of settings, derived from the dataclass that declares them.

There are two, since a setting is text in the environment and has a type of its own in a TOML file: ``8470`` is a number
in both, but ``"8470"`` in a file is not.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields as list_fields
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args, get_origin

from marshmallow import Schema, ValidationError, fields
from marshmallow.validate import OneOf, Range

from auditsvc.ground.settings.check import check_path

_DIGITS = re.compile(r"-?[0-9]{1,18}", re.ASCII)

Texts = dict[str, str | list[Any] | dict[Any, Any]]
"""Error messages of a field, in the form marshmallow declares them."""
_TEXT: Texts = {"invalid": "expected text in quotes, got `{input}`"}
_TRUTH: Texts = {"invalid": "expected true or false, got `{input}`"}
_TRUE: set[object] = {"true", "1"}
_FALSE: set[object] = {"false", "0"}

FieldTypes = Mapping[type, type[fields.Field[Any]]]
"""Type of a setting to the field that parses it."""


class TextSetting(fields.String):
    """Text; only a file can give anything else."""

    default_error_messages = _TEXT

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, str):
            raise self.make_error("invalid", input=_show(value))
        return super()._deserialize(value, attr, data, **kwargs)


class PathSetting(TextSetting):
    """A path, relative ones to the working folder."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        check_path(text)
        return Path(text)


class WrittenInteger(fields.Integer):
    """A whole number written in ASCII digits; ``int`` accepts spaces, ``_`` and other digits too."""

    def _validated(self, value: Any) -> int:
        if not _DIGITS.fullmatch(value):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class WrittenBoolean(fields.Boolean):
    """The words ``true``, ``false``, ``1`` and ``0``, in either case."""

    default_error_messages = _TRUTH
    truthy, falsy = _TRUE, _FALSE

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        try:
            return super()._deserialize(value.lower(), attr, data, **kwargs)
        except ValidationError as err:
            raise self.make_error("invalid", input=value) from err


class TypedInteger(fields.Integer):
    """A whole number of a TOML file."""

    def __init__(self, **kwargs: Any) -> None:
        """Make a field that takes integers only, not text that looks like one."""
        super().__init__(strict=True, **kwargs)

    def make_error(self, key: str, **kwargs: Any) -> ValidationError:
        """Return the error with the value as written in TOML."""
        return super().make_error(key, **{**kwargs, "input": _show(kwargs.get("input"))})


class TypedBoolean(fields.Boolean):
    """A boolean of a TOML file; marshmallow's own field accepts 1 as true."""

    default_error_messages = _TRUTH

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=_show(value))
        return value


ENVIRONMENT: FieldTypes = MappingProxyType(
    {int: WrittenInteger, bool: WrittenBoolean, str: TextSetting, Path: PathSetting}
)
"""Fields for text, from the environment."""
TOML_FILE: FieldTypes = MappingProxyType({int: TypedInteger, bool: TypedBoolean, str: TextSetting, Path: PathSetting})
"""Fields for typed values, from TOML."""


def build_schema(declared: type[Any], types: FieldTypes) -> Schema:
    """Return the schema of a dataclass: types by annotation, bounds by the validators ``Annotated`` adds to it."""
    return Schema.from_dict({field.name: _build_field(field.type, types) for field in list_fields(declared)})()


def split_annotation(annotation: Any) -> tuple[Any, list[Any]]:
    """Return the type of a setting, without the ``None`` that means "not set", and its validators."""
    plain, *validators = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
    return Path if plain == Path | None else plain, validators


def _build_field(annotation: Any, types: FieldTypes) -> fields.Field[Any]:
    plain, validators = split_annotation(annotation)
    if get_origin(plain) is Literal:
        choice = OneOf(get_args(plain), error="expected one of {choices}, got `{input}`")
        return types[str](validate=[choice])
    return types[plain](validate=validators, error_messages=_name_bounds(validators))


def _name_bounds(validators: list[Callable[[Any], Any]]) -> Texts:
    """Return the message for a value that is not a number; it includes the bounds."""
    bounds = [one for one in validators if isinstance(one, Range)]
    return (
        {"invalid": str(bounds[0].error).format(min=bounds[0].min, max=bounds[0].max, input="{input}")}
        if bounds
        else {}
    )


def _show(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
