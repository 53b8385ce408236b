"""Forms: their fields, labels and validators, so that a page can show an error beside its field.

Checks that need more than the form itself, such as whether a password is right, are made by the services. Every form has
the token of CSRFProtect, which has verified it before a form is read.
"""

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from flask_wtf.file import FileRequired, MultipleFileField
from wtforms import (
    DateField,
    HiddenField,
    PasswordField,
    RadioField,
    SelectChoice,
    SelectField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.validators import AnyOf, EqualTo, InputRequired, Length

from auditsvc.alerts.model import MAX_NOTE, CloseReason
from auditsvc.console.labels import LABELS, LANGUAGES, THEMES, name_close_reasons

MAX_FILES = 16
"""A report has six files."""


def _strip(text: str | None) -> str:
    return (text or "").strip()


def _list_choices(names: Mapping[str, Any]) -> list[SelectChoice]:
    return [SelectChoice(value, name) for value, name in names.items()]


class DayField(DateField):
    """A calendar day, without a time zone."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Parse ``YYYY-MM-DD``, as browsers send it; anything else is an error of the field."""
        try:
            super().process_formdata(valuelist)
        except ValueError as err:
            raise ValueError(gettext("Give a day, such as 2026-10-01.")) from err


class PageForm(FlaskForm):
    """A form of a page, with types for what the library leaves untyped."""

    def __init__(self, **values: Any) -> None:
        """Read the form from the request, or from ``formdata`` if given; ``values`` are the fields' defaults."""
        super().__init__(**values)

    def validate(self, extra_validators: Mapping[str, Any] | None = None) -> bool:
        """Return whether every field is valid; sets the ``errors`` of each field."""
        return bool(super().validate(extra_validators))


class ReturnForm(PageForm):
    """A form that returns to the page it was sent from.

    ``next`` is what the browser sends: only :func:`~auditsvc.console.language.local_target` decides whether to follow it.
    """

    next = HiddenField()


class LanguageForm(ReturnForm):
    """The switch of the language."""

    language = StringField(validators=[AnyOf(LANGUAGES)])


class ThemeForm(ReturnForm):
    """The switch of the colour theme."""

    theme = StringField(validators=[AnyOf(THEMES)])


class SignInForm(ReturnForm):
    """Name and password."""

    name = StringField(lazy_gettext("Name"), validators=[InputRequired(lazy_gettext("Enter your name."))])
    password = PasswordField(
        lazy_gettext("Password"), id="secret", validators=[InputRequired(lazy_gettext("Enter your password."))]
    )


class PasswordForm(ReturnForm):
    """A new password, typed twice."""

    old = PasswordField(
        lazy_gettext("Present password"), validators=[InputRequired(lazy_gettext("Enter your present password."))]
    )
    new = PasswordField(lazy_gettext("New password"), validators=[InputRequired(lazy_gettext("Enter a new password."))])
    again = PasswordField(
        lazy_gettext("New password again"),
        validators=[
            InputRequired(lazy_gettext("Enter the new password again.")),
            EqualTo("new", lazy_gettext("The two new passwords differ; type the same one twice.")),
        ],
    )


class AcknowledgeForm(PageForm):
    """Acknowledging an alert; the page has only a button, but a note may be sent."""

    note = TextAreaField(filters=[_strip])


class CloseForm(PageForm):
    """Closing an alert for a reason."""

    reason = SelectField(
        lazy_gettext("Reason for closing"),
        choices=lambda: _list_choices({"": gettext("choose one"), **name_close_reasons()}),
        validate_choice=False,  # the library's own message
        validators=[AnyOf([reason.value for reason in CloseReason], lazy_gettext("Choose a reason."))],
        render_kw={"required": True},
    )
    note = TextAreaField(
        lazy_gettext("Note"),
        filters=[_strip],
        validators=[Length(max=MAX_NOTE, message=lazy_gettext("The note may have %(max)d characters at most."))],
    )


class ReportForm(PageForm):
    """Kind, period and project of a report."""

    kind = RadioField(
        lazy_gettext("Kind"),
        choices=_list_choices(LABELS["report_kind"]),
        validate_choice=False,
        validators=[AnyOf(list(LABELS["report_kind"]), lazy_gettext("Choose a kind of report."))],
    )
    first = DayField(
        lazy_gettext("First day"), validators=[InputRequired(lazy_gettext("Give a day, such as 2026-10-01."))]
    )
    last = DayField(
        lazy_gettext("Last day, included"), validators=[InputRequired(lazy_gettext("Give a day, such as 2026-10-01."))]
    )
    project = SelectField(lazy_gettext("Project, for a project report"), validate_choice=False, default="")

    def offer_projects(self, names: Mapping[str, str]) -> None:
        """Set the projects to choose from, id to name."""
        self.project.choices = _list_choices({"": ""} | {key: f"{name} ({key})" for key, name in names.items()})

    @property
    def project_id(self) -> str | None:
        """The project the report is about, None for a compliance report."""
        return self.project.data if self.kind.data == "project" else None

    def validate_last(self, field: Any) -> None:
        """Refuse a period that ends before it starts."""
        if self.first.data and field.data and field.data < self.first.data:
            raise ValidationError(gettext("The last day is before the first."))

    def validate_project(self, field: Any) -> None:
        """Refuse a project report without a project, or with one that is not offered."""
        if self.kind.data == "project" and field.data not in [choice.value for choice in field.choices if choice.value]:
            raise ValidationError(gettext("Choose the project the report is about."))


class VerifyForm(PageForm):
    """The files of a report."""

    files = MultipleFileField(
        lazy_gettext("Drop the report's files here, or choose them"),
        validators=[FileRequired(lazy_gettext("Choose at least one file."))],
    )

    def validate_files(self, field: Any) -> None:
        """Refuse more files than any report has."""
        if len(field.data) > MAX_FILES:
            raise ValidationError(
                gettext("Choose at most %(most)s files; these are %(n)s.", most=MAX_FILES, n=len(field.data))
            )
