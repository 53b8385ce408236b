"""The log: checkpoints, leaves, proofs, receipts, and the acts of people."""

import base64
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields, validate

from auditsvc.api.resource import ApiBlueprint, PageQuery, format_cursor, page_schema, parse_cursor
from auditsvc.auth.gate import current_person
from auditsvc.auth.model import Person
from auditsvc.auth.roles import Duty, require
from auditsvc.ground.errors import InputError
from auditsvc.ledger.acts import list_acts
from auditsvc.ledger.format.note import Checkpoint
from auditsvc.runtime.services import get_services

resource = ApiBlueprint("ledger", description="The log and its proofs")

_MAX_SIZE = 2**53


class CheckpointSchema(Schema):
    """A signed checkpoint (C2SP tlog-checkpoint)."""

    size = fields.Integer(required=True)
    root_hash = fields.String(required=True, metadata={"description": "base64"})
    note = fields.String(required=True, metadata={"description": "the signed note, byte for byte"})


class ProofSchema(Schema):
    """Proof that a leaf is under the root of a checkpoint."""

    seq = fields.Integer(required=True)
    header = fields.String(required=True, metadata={"description": "the entry the leaf is the hash of"})
    leaf_hash = fields.String(required=True, metadata={"description": "base64"})
    path = fields.List(fields.String(), required=True, metadata={"description": "sibling hashes, leaf to root, base64"})
    checkpoint = fields.Nested(CheckpointSchema, required=True)


class InclusionQuery(Schema):
    """The leaf and the tree of an inclusion proof."""

    seq = fields.Integer(required=True, validate=validate.Range(0, _MAX_SIZE))
    size = fields.Integer(
        load_default=None,
        validate=validate.Range(1, _MAX_SIZE),
        metadata={"description": "leaves of the tree; the first signed tree of at least this size; default the latest"},
    )


class ConsistencyQuery(Schema):
    """The two trees of a consistency proof."""

    first = fields.Integer(required=True, validate=validate.Range(1, _MAX_SIZE))
    second = fields.Integer(required=True, validate=validate.Range(1, _MAX_SIZE))


class ConsistencySchema(Schema):
    """Proof that the second tree extends the first."""

    first = fields.Integer(required=True)
    second = fields.Integer(required=True)
    path = fields.List(fields.String(), required=True, metadata={"description": "base64"})


class LeafSchema(Schema):
    """A leaf."""

    seq = fields.Integer(required=True)
    kind = fields.String(required=True)
    header = fields.String(required=True)
    leaf_hash = fields.String(required=True, metadata={"description": "base64"})


class ReceiptSchema(Schema):
    """The receipt of one delivery."""

    batch_id = fields.String(required=True)
    seq = fields.Integer(required=True)
    first_record = fields.Integer(required=True)
    records = fields.Integer(required=True)
    accepted = fields.Integer(required=True)
    quarantined = fields.Integer(required=True)
    leaf_hash = fields.String(required=True, metadata={"description": "base64"})
    header = fields.String(required=True)


class ReceiptListSchema(Schema):
    """The receipts of a batch, one for each delivery in it."""

    items = fields.List(fields.Nested(ReceiptSchema), required=True)


class ActSchema(Schema):
    """Something a person did."""

    seq = fields.Integer(required=True)
    accepted = fields.String(required=True)
    actor = fields.String(required=True)
    act = fields.String(required=True)
    subject = fields.String(required=True)
    detail = fields.Dict(required=True)


@resource.route("/checkpoints/latest")
class LatestCheckpoint(MethodView):
    """The log's signed head."""

    @resource.response(200, CheckpointSchema)
    @require("ledger.read")
    def get(self) -> dict[str, Any]:
        """Show the latest signed checkpoint."""
        return _show_checkpoint(_get_checkpoint(None))


@resource.route("/leaves/<int:seq>")
class OneLeaf(MethodView):
    """One leaf."""

    @resource.response(200, LeafSchema)
    @require("ledger.read")
    def get(self, seq: int) -> dict[str, Any]:
        """Show one leaf."""
        _check_seq(seq)
        leaf = get_services().ledger.get_leaf(seq)
        return {"seq": leaf.seq, "kind": leaf.kind, "header": leaf.header, "leaf_hash": encode(leaf.leaf_hash)}


@resource.route("/proofs/inclusion")
class Inclusion(MethodView):
    """Inclusion of a leaf in the log."""

    @resource.arguments(InclusionQuery, location="query")
    @resource.response(200, ProofSchema)
    @require("ledger.read")
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Prove that a leaf is under a signed root."""
        return build_inclusion(query["seq"], query["size"])


@resource.route("/proofs/consistency")
class Consistency(MethodView):
    """Consistency of two trees of the log."""

    @resource.arguments(ConsistencyQuery, location="query")
    @resource.response(200, ConsistencySchema)
    @require("ledger.read")
    def get(self, query: dict[str, int]) -> dict[str, Any]:
        """Prove that the second tree extends the first."""
        first, second = query["first"], query["second"]
        ledger = get_services().ledger
        size = ledger.get_head().size
        if not first <= second <= size:
            raise InputError("field_invalid", f"expected first <= second <= {size}, the size of the log")
        proof = ledger.prove_consistency(first, second)
        return {"first": first, "second": second, "path": [encode(part) for part in proof.path]}


@resource.route("/receipts/<string:batch_id>")
class Receipts(MethodView):
    """Receipts of a batch."""

    @resource.response(200, ReceiptListSchema)
    @require("ledger.read")
    def get(self, batch_id: str) -> dict[str, Any]:
        """Show the receipts of one batch again."""
        receipts = get_services().ledger.find_receipts(batch_id)
        if not receipts:
            raise InputError("not_found", f"there is no batch `{batch_id[:64]}`")
        names = ("batch_id", "seq", "first_record", "records", "accepted", "quarantined", "header")
        return {
            "items": [
                {**{name: getattr(receipt, name) for name in names}, "leaf_hash": encode(receipt.leaf_hash)}
                for receipt in receipts
            ]
        }


@resource.route("/acts")
class Acts(MethodView):
    """What people did."""

    @resource.arguments(PageQuery, location="query")
    @resource.response(200, page_schema(ActSchema))
    @require("act.read_users", "act.read_administrators")
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List acts, newest first.

        The security administrator reviews users and audit administrators; the audit administrator reviews system and
        security administrators, the shell and the installation itself.
        """
        services = get_services()
        person = current_person()
        duties = services.accounts.list_duties()
        before = parse_cursor(query["cursor"])
        if before is not None and (type(before) is not int or not 0 <= before <= _MAX_SIZE):
            raise InputError("field_invalid", "cursor: not one of this list")
        acts, next_before = list_acts(
            services.ledger,
            before=before,
            limit=query["limit"],
            keep=lambda actor: _may_review(person, duties.get(actor)),
        )
        return {"items": acts, "next": format_cursor(next_before)}


def build_inclusion(seq: int, size: int | None) -> dict[str, Any]:
    """Return the inclusion proof of a leaf under the first signed tree of at least ``size``, default the latest."""
    ledger = get_services().ledger
    leaf = ledger.get_leaf(seq)
    checkpoint = _get_checkpoint(max(seq + 1, size) if size else None)
    if checkpoint.size <= seq:
        raise InputError("not_found", f"leaf {seq} is not under a checkpoint yet; try again in a second")
    return {
        "seq": seq,
        "header": leaf.header,
        "leaf_hash": encode(leaf.leaf_hash),
        "path": [encode(part) for part in ledger.prove_inclusion(seq, checkpoint.size).path],
        "checkpoint": _show_checkpoint(checkpoint),
    }


def encode(digest: bytes) -> str:
    """Return base64 text."""
    return base64.b64encode(digest).decode()


def _get_checkpoint(size: int | None) -> Checkpoint:
    """Return the latest checkpoint, or the first of at least ``size``."""
    found = get_services().ledger.find_checkpoint(size)
    if found is None:
        raise InputError("not_found", "there is no such checkpoint yet; try again in a second")
    return found


def _show_checkpoint(found: Checkpoint) -> dict[str, Any]:
    """Return a checkpoint as JSON shows it."""
    return {"size": found.size, "root_hash": encode(found.root_hash), "note": found.note}


def _check_seq(seq: int) -> None:
    """Refuse an impossible leaf index."""
    if seq > _MAX_SIZE:
        raise InputError("not_found", f"log: there is no leaf {seq}")


def _may_review(person: Person, duty: Duty | None) -> bool:
    """Return whether ``person`` reviews acts of accounts with this duty; None means a shell or the installation."""
    needed = "act.read_users" if duty in {Duty.BUSINESS, Duty.AUDIT} else "act.read_administrators"
    return person.has(needed)
