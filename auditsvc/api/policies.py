"""The policy set in force."""

from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields, validate

from auditsvc.api.resource import ApiBlueprint
from auditsvc.auth.roles import require
from auditsvc.event.time import format_time_ns
from auditsvc.ground.errors import InputError
from auditsvc.policy.model import Policy, PolicySet
from auditsvc.runtime.services import get_services

resource = ApiBlueprint("policies", description="The policies in force, and how they were")


class TextSchema(Schema):
    """A text in both languages."""

    zh = fields.String(required=True)
    en = fields.String(required=True)


class LegalBasisSchema(Schema):
    """An article of an act."""

    act = fields.String(required=True)
    title = fields.Nested(TextSchema, required=True)
    article = fields.String(required=True)
    verified = fields.Boolean(required=True, metadata={"description": "compared with the official text by a person"})


class PolicySchema(Schema):
    """One version of a policy."""

    id = fields.String(required=True)
    version = fields.Integer(required=True)
    title = fields.Nested(TextSchema, required=True)
    kind = fields.String(required=True, metadata={"description": "permit, forbid or require"})
    status = fields.String(required=True)
    severity = fields.String(required=True)
    owner = fields.String(required=True)
    approved_by = fields.List(fields.String(), required=True)
    valid_from = fields.String(required=True)
    valid_until = fields.String(required=True, allow_none=True)
    legal_basis = fields.List(fields.Nested(LegalBasisSchema), required=True)
    exceptions = fields.Integer(required=True, metadata={"description": "number of exceptions in the document"})


class PolicyDetailSchema(PolicySchema):
    """One version of a policy with its text."""

    description = fields.Nested(TextSchema, required=True)
    source_text = fields.String(required=True, metadata={"description": "the YAML document as reviewed"})
    file = fields.String(required=True)


class PolicySetSchema(Schema):
    """Every policy of the set in force."""

    digest = fields.String(required=True, allow_none=True, metadata={"description": "SHA-256 of the set, hex"})
    items = fields.List(fields.Nested(PolicySchema), required=True)


class PolicyQuery(Schema):
    """Which version."""

    version = fields.Integer(load_default=None, validate=validate.Range(1, 2**31))


@resource.route("/policies")
class Policies(MethodView):
    """The policy set in force."""

    @resource.response(200, PolicySetSchema)
    @require("policy.read")
    def get(self) -> dict[str, Any]:
        """List the policies of the set in force; empty before the first activation."""
        policy_set = get_services().versions.find().find_policy_set()
        if policy_set is None:
            return {"digest": None, "items": []}
        return {"digest": policy_set.digest.hex(), "items": [show_policy(policy) for policy in policy_set.policies]}


@resource.route("/policies/<string:policy_id>")
class OnePolicy(MethodView):
    """One policy."""

    @resource.arguments(PolicyQuery, location="query")
    @resource.response(200, PolicyDetailSchema)
    @require("policy.read")
    def get(self, query: dict[str, Any], policy_id: str) -> dict[str, Any]:
        """Show a policy with its text, the latest version unless another is asked for."""
        policy_set: PolicySet | None = get_services().versions.find().find_policy_set()
        policy = policy_set.find_policy(policy_id, query["version"]) if policy_set else None
        if policy is None:
            raise InputError("not_found", f"there is no policy `{policy_id[:64]}` of this version")
        return {
            **show_policy(policy),
            "description": policy.description,
            "source_text": policy.source_text,
            "file": policy.file,
        }


def show_policy(policy: Policy) -> dict[str, Any]:
    """Return a policy as shown in lists."""
    return {
        "id": policy.id,
        "version": policy.version,
        "title": policy.title,
        "kind": policy.kind.value,
        "status": policy.status.value,
        "severity": policy.severity.value,
        "owner": policy.owner,
        "approved_by": list(policy.approved_by),
        "valid_from": format_time_ns(policy.valid_from_ns),
        "valid_until": None if policy.valid_until_ns is None else format_time_ns(policy.valid_until_ns),
        "legal_basis": [
            {
                "act": basis.act.id,
                "title": basis.act.title,
                "article": basis.article,
                "verified": basis.act.verified,
            }
            for basis in policy.legal_basis
        ],
        "exceptions": len(policy.exceptions),
    }
