"""Signing in and out, the forced change of a one-time password, and the timeout of idle sessions."""

import uuid
from datetime import timedelta

from flask import flash, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from auditsvc.auth.model import Person
from auditsvc.auth.roles import public, require
from auditsvc.auth.withdrawn import is_withdrawn, withdraw
from auditsvc.console.blueprint import blueprint
from auditsvc.console.current_user import begin, current_person, end, find_person
from auditsvc.console.failure import describe
from auditsvc.console.forms import PasswordForm, SignInForm
from auditsvc.console.language import local_target
from auditsvc.ground.errors import AuditError, AuthError
from auditsvc.runtime.services import get_services

SESSION_ID = "id"
"""Session key: id under which an ended session is recorded, since a copy of its cookie may exist."""
SEEN = "seen"
"""Session key: time of the last activity, whole seconds since 1970."""
POLL_HEADER = "X-Poll"
"""Sent by a page that refreshes itself; such a request does not count as activity."""
_KEPT = ("language",)
_NS = 1_000_000_000


@blueprint.before_request
def end_idle_session() -> None:
    """Sign out a person who was idle for longer than the settings allow, or whose session was ended elsewhere.

    Raises:
        AuthError: ``unauthenticated``, so that the sign-in page follows.
    """
    if find_person() is None:
        return
    services = get_services()
    if SESSION_ID not in session or is_withdrawn(services.ledger.database, session[SESSION_ID]):
        end()
        session.clear()
        raise AuthError("unauthenticated", "this session was ended; sign in again")
    now_s = services.ledger.clock.now_ns() // _NS
    limit_s = services.settings.session_minutes * 60
    g.idle_limit_s = limit_s
    if now_s - int(session.get(SEEN, now_s)) > limit_s:
        end()
        session.clear()
        raise AuthError("unauthenticated", f"signed out after {services.settings.session_minutes} idle minutes")
    if POLL_HEADER not in request.headers:
        session[SEEN] = now_s


@blueprint.route("/sign-in", methods=["GET", "POST"])
@public
def sign_in() -> ResponseReturnValue:
    """Show the sign-in page, or sign in with a name and a password."""
    form = SignInForm(next=request.args.get("next"))
    target = form.next.data = local_target(form.next.data)
    if request.method == "GET":
        if find_person() is not None:
            return redirect(target, 303)
        return render_template("console/sign_in.html", form=form)
    if not form.validate():
        return render_template("console/sign_in.html", form=form), 422
    try:
        person = get_services().accounts.sign_in(form.name.data, form.password.data)
    except AuthError as err:
        return render_template("console/sign_in.html", form=form, failure=describe(err)), err.http_status
    _begin_session(person)
    return redirect(url_for("console.password", next=target) if person.must_change_password else target, 303)


@blueprint.post("/sign-out")
@require("self.manage")
def sign_out() -> ResponseReturnValue:
    """End the session."""
    services = get_services()
    expires = services.ledger.clock.now() + timedelta(minutes=services.settings.session_minutes)
    withdraw(services.ledger.database, services.ledger.clock, session[SESSION_ID], expires)
    services.accounts.sign_out(current_person())
    end()
    _forget_session()
    flash(gettext("You are signed out."))
    return redirect(url_for("console.sign_in"), 303)


@blueprint.get("/still-here")
@require("self.manage")
def stay() -> ResponseReturnValue:
    """Keep a person signed in; the request itself counts as activity."""
    return "", 204


@blueprint.route("/password", methods=["GET", "POST"])
@require("self.manage")
def password() -> ResponseReturnValue:
    """Show the form for a new password, or set one."""
    form = PasswordForm(next=request.args.get("next"))
    target = form.next.data = local_target(form.next.data)
    if request.method == "GET":
        return render_template("console/password.html", form=form)
    if not form.validate():
        return render_template("console/password.html", form=form), 422
    try:
        person = get_services().accounts.change_password(current_person(), old=form.old.data, new=form.new.data)
    except AuditError as err:
        return render_template("console/password.html", form=form, failure=describe(err)), err.http_status
    _begin_session(person)
    flash(gettext("Your new password is set. Other sessions of your account have ended."))
    return redirect(target, 303)


def _begin_session(person: Person) -> None:
    """Start a new session, to prevent session fixation."""
    _forget_session()
    begin(person)
    session[SESSION_ID] = str(uuid.uuid4())
    session[SEEN] = get_services().ledger.clock.now_ns() // _NS


def _forget_session() -> None:
    """Clear the session except for the language."""
    kept = {key: session[key] for key in _KEPT if key in session}
    session.clear()
    session.update(kept)
