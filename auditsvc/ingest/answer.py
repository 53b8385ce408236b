"""Answers of the ingest endpoints: receipts, and problem documents (RFC 9457) for every refusal."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec

from auditsvc.ground.errors import CODES, AuditError
from auditsvc.ingest.readers.model import Reject
from auditsvc.ledger.receipt import Receipt

PROBLEM_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
"""Seconds a producer waits before a retry; group commits take milliseconds, a full queue drains in about this time."""
STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, headers, body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def build_answer(status: int, document: Any, media_type: str = "application/json") -> Answer:
    """Return an answer with ``document`` as JSON."""
    body = _ENCODER.encode(document)
    return Answer(status, [("Content-Type", media_type), ("Content-Length", str(len(body)))], body)


def build_receipt_answer(receipt: Receipt, rejects: Sequence[Reject]) -> Answer:
    """Return the answer to a durable delivery: 201, or 200 when it had been stored before."""
    document = {
        "batch_id": receipt.batch_id,
        "seq": receipt.seq,
        "first_record": receipt.first_record,
        "records": receipt.records,
        "accepted": receipt.accepted,
        "quarantined": receipt.quarantined,
        "duplicates": receipt.records if receipt.replayed else 0,
        "leaf_hash": receipt.leaf_hash.hex(),
        "receipt_url": f"/api/v1/receipts/{receipt.batch_id}",
        "header": receipt.header,
    }
    if rejects:
        document["rejects"] = [describe_reject(reject) for reject in rejects]
    return build_answer(200 if receipt.replayed else 201, document)


def describe_reject(reject: Reject) -> dict[str, Any]:
    """Return a reject as producers see it: line 1-based, item 0-based."""
    return {
        "line": reject.record + 1,
        "item": reject.item,
        "code": reject.code,
        "field": reject.field,
        "detail": reject.message,
    }


def build_problem(error: AuditError) -> Answer:
    """Return the problem document of an error, with the headers its status requires."""
    document = {
        "type": f"urn:auditsvc:error:{error.code}",
        "title": CODES[error.code].meaning,
        "status": error.http_status,
        "code": error.code,
        "detail": error.message,
        **error.context,
    }
    answer = build_answer(error.http_status, document, PROBLEM_TYPE)
    match error.http_status:
        case 401:
            answer.headers.append(("WWW-Authenticate", "Bearer"))
        case 415:
            answer.headers.append(("Accept-Encoding", "gzip, zstd"))
        case 429 | 503:
            answer.headers.append(("Retry-After", str(RETRY_AFTER_S)))
        case _:
            pass
    return answer
