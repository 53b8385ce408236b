"""Bulk requests, limited by bytes and number of documents; each item's result is checked and retried where that helps.

- 2xx: stored. 409 to ``create``: stored before; ids are derived from places and content, so it is the same row.
- 429, 502, 503, 504 and lost connections: retried with backoff, a bounded number of times and for a bounded time, so
  that the engine can report what is wrong; it then starts over. Retries are idempotent.
- 400 that is about the document: it can never be stored; the caller keeps it as a dead letter.
- Anything else stops the writer; nothing is skipped.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch
from tenacity import RetryError, retry_if_result

from auditsvc.ground.errors import StorageError
from auditsvc.store.elasticsearch.failure import CODE, describe, storage_errors
from auditsvc.store.elasticsearch.retry import Sleep, build_retrying
from auditsvc.store.rows import LedgerPlace

MAX_ITEMS = 1_000
"""Maximum documents of one bulk; larger ones make the server stall for seconds."""
AT_ONCE = 2
"""Bulks in flight: one is built and its response read while the server works on the other."""
MADE_READY = 2 * AT_ONCE
"""Bulks in memory at a time: a chunk of large documents is not in memory as a whole."""
_AGAIN = frozenset({429, 502, 503, 504})
_TOO_LARGE = 413
_EXISTS = 409
_FAULTS = frozenset({"document_parsing_exception", "mapper_parsing_exception", "strict_dynamic_mapping_exception"})
"""Error types of a 400 that are caused by the document itself, on any cluster at any time."""
_IMMENSE = "immense term"
_FILTER = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"


@dataclass(frozen=True, slots=True)
class Action:
    """One document to send.

    Attributes:
        index, id: its destination.
        body: its JSON.
        place: its place in the ledger.
        item: index of the event in its record.
        overwrites: whether it may replace a document with the same id; otherwise it is created.
    """

    index: str
    id: str
    body: bytes
    place: LedgerPlace
    item: int = 0
    overwrites: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A document that cannot be stored, and the server's reason."""

    action: Action
    reason: str


@dataclass(slots=True)
class SendOutcome:
    """The outcome of sending: documents that existed already, documents that cannot be stored, whether any was sent twice."""

    existing: list[Action] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    was_repeated: bool = False


class Sender:
    """Sends documents until each is stored or refused."""

    def __init__(self, client: Elasticsearch, bulk_bytes: int, timeout_s: int, sleep: Sleep) -> None:
        """Send bulks of at most ``bulk_bytes``; ``timeout_s`` is the client's timeout for each."""
        self._client = client
        self._bulk_bytes = bulk_bytes
        self._wait = f"{max(1, timeout_s * 4 // 5)}s"  # the server times out first, and reports on which documents
        self._sleep = sleep

    def send(self, actions: Iterable[Action]) -> SendOutcome:
        """Store documents; each bulk is sent as soon as its documents have been consumed.

        Raises:
            StorageError: ``storage_unavailable`` when some are not known to be stored.
        """
        outcome = SendOutcome()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                sent: deque[Future[None]] = deque()
                for batch in _cut(actions, self._bulk_bytes):
                    if len(sent) == MADE_READY:
                        sent.popleft().result()
                    sent.append(pool.submit(self._send_batch, batch, outcome))
                while sent:
                    sent.popleft().result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return outcome

    def _send_batch(self, batch: Sequence[Action], outcome: SendOutcome) -> None:
        pending, trouble = list(batch), ""

        def send_rest() -> bool:
            """Send the documents not yet stored; return whether any are left."""
            nonlocal pending, trouble
            pending, trouble = self._try(pending, outcome)
            return bool(pending)

        retrying = build_retrying(self._sleep, retry_if_result(bool))
        try:
            retrying(send_rest)
        except RetryError as err:
            count = err.last_attempt.attempt_number
            times = f"{count} attempts" if count > 1 else "one attempt"
            message = f"elasticsearch did not store {len(pending)} of {len(batch)} documents in {times}: {trouble}"
            raise StorageError(CODE, message) from None
        if retrying.statistics["attempt_number"] > 1:
            outcome.was_repeated = True

    def _try(self, pending: list[Action], outcome: SendOutcome) -> tuple[list[Action], str]:
        """Send a bulk once; return the documents to retry and the reason."""
        try:
            answer = self._client.bulk(
                operations=b"".join(_encode(action) for action in pending),  # type: ignore[arg-type]
                filter_path=_FILTER,
                timeout=self._wait,
            ).body
        except ApiError as err:
            if err.status_code == _TOO_LARGE:
                return self._send_halves(pending, outcome, err)
            if err.status_code not in _AGAIN:
                with storage_errors():
                    raise
            return pending, describe(err)
        except TransportError as err:
            return pending, describe(err)
        if not answer["errors"]:
            return [], ""
        return _sort_out(pending, answer["items"], outcome)

    def _send_halves(self, pending: list[Action], outcome: SendOutcome, err: ApiError) -> tuple[list[Action], str]:
        """Split a bulk that is too large for the server in two; a single document that is too large is refused."""
        if len(pending) == 1:
            outcome.refused.append(Refusal(pending[0], f"{err.status_code}: too large for the server"))
            return [], ""
        middle = len(pending) // 2
        for half in (pending[:middle], pending[middle:]):
            self._send_batch(half, outcome)
        return [], ""


def _cut(actions: Iterable[Action], most_bytes: int) -> Iterator[list[Action]]:
    """Yield the documents in bulks; a document larger than a bulk is sent alone."""
    batch: list[Action] = []
    size = 0
    for action in actions:
        if batch and (size + len(action.body) > most_bytes or len(batch) == MAX_ITEMS):
            yield batch
            batch, size = [], 0
        batch.append(action)
        size += len(action.body)
    if batch:
        yield batch


def _encode(action: Action) -> bytes:
    """Return the two lines of a document; index and id contain no characters that JSON escapes."""
    verb = "index" if action.overwrites else "create"
    return b'{"%s":{"_index":"%s","_id":"%s"}}\n%s\n' % (
        verb.encode(),
        action.index.encode(),
        action.id.encode(),
        action.body,
    )


def _sort_out(
    pending: Sequence[Action], items: Sequence[dict[str, Any]], outcome: SendOutcome
) -> tuple[list[Action], str]:
    """Check each document's result; return the documents to retry and the reason."""
    again: list[Action] = []
    trouble = ""
    for action, item in zip(pending, items, strict=True):
        (answer,) = item.values()
        status, error = answer["status"], answer.get("error") or {}
        if status < 300:
            continue
        if status == _EXISTS and not action.overwrites:
            outcome.existing.append(action)
        elif status in _AGAIN or status == _EXISTS:
            again.append(action)
            trouble = _describe(status, error)
        elif status == 400 and _is_own_fault(error):
            outcome.refused.append(Refusal(action, _describe(status, error)))
        else:
            message = f"elasticsearch refused a document for `{action.index}`: {_describe(status, error)}"
            raise StorageError(CODE, message, status=status)
    return again, trouble


def _is_own_fault(error: dict[str, Any]) -> bool:
    """Return whether an error is caused by the document and not by the state of the cluster."""
    return error.get("type") in _FAULTS or _IMMENSE in str(error.get("reason", ""))


def _describe(status: int, error: dict[str, Any]) -> str:
    """Return the server's message; contains no document contents beyond what it quotes."""
    cause = (error.get("caused_by") or {}).get("reason", "")
    words = [str(status), str(error.get("type", "")), str(error.get("reason", "")), str(cause)]
    return ": ".join(word for word in words if word)[:1000]
