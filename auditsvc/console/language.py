"""Selection of language and colour theme, and the two switches that change them without leaving the page."""

from urllib.parse import urlsplit

from flask import Response, redirect, request, session
from werkzeug.wrappers import Response as BaseResponse

from auditsvc.auth.roles import public
from auditsvc.console.blueprint import blueprint
from auditsvc.console.current_user import find_person
from auditsvc.console.forms import LanguageForm, ThemeForm
from auditsvc.console.labels import LANGUAGES, THEMES
from auditsvc.runtime.services import get_services

HTML_LANGUAGES = {"zh": "zh-CN", "en": "en"}
"""``lang`` attributes by language; ``zh-CN`` makes browsers choose Chinese glyphs for shared Han characters."""
THEME_COOKIE = "theme"
_YEAR_S = 365 * 24 * 3600
_LANGUAGE = "language"


def select_language() -> str:
    """Return the language of this request: the session's, else the account's, else the browser's, else the configured one."""
    person = find_person()
    chosen = session.get(_LANGUAGE) or (person.language if person else None)
    if chosen in LANGUAGES:
        return str(chosen)
    best = request.accept_languages.best_match(["zh", "zh-CN", "zh-Hans", "en"])
    return best[:2] if best else get_services().settings.default_language


def selected_theme() -> str:
    """Return ``light``, ``dark`` or ``system``."""
    theme = request.cookies.get(THEME_COOKIE, "")
    return theme if theme in THEMES else "system"


def local_target(target: str | None, default: str = "/") -> str:
    """Return ``target`` if it is a path of this site, else ``default``; to prevent open redirects."""
    if not target or not target.startswith("/") or "\\" in target or not target.isprintable():
        return default
    parts = urlsplit(target)
    return default if parts.scheme or parts.netloc or target.startswith("//") else target


@blueprint.post("/language")
@public
def switch_language() -> BaseResponse:
    """Change the language and return to the page with the switch."""
    form = LanguageForm()
    if form.validate():
        language = form.language.data
        session[_LANGUAGE] = language
        person = find_person()
        if person is not None:
            get_services().accounts.set_language(person, language)
    return redirect(local_target(form.next.data), 303)


@blueprint.post("/theme")
@public
def switch_theme() -> BaseResponse:
    """Change the colour theme and return to the page with the switch."""
    form = ThemeForm()
    response: BaseResponse = redirect(local_target(form.next.data), 303)
    if form.validate() and isinstance(response, Response):
        response.set_cookie(
            THEME_COOKIE,
            form.theme.data,
            max_age=_YEAR_S,
            samesite="Lax",
            secure=get_services().settings.secure_cookies,
        )
    return response
