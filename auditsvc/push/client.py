"""Sending a log file to a running service: in batches of whole lines, resumable, idempotent.

Order of steps: load the state of an earlier run; read the file once for its size, and to check that it still begins
with what was sent then (a log may have grown since); then batch by batch: send, wait for the receipt, save the offset.
A batch has the same bytes and the same ``Idempotency-Key`` in every run with the same batch size, so a lost response
does no harm.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import zstandard
from tenacity import RetryCallState, RetryError, Retrying, retry_if_exception_type, wait_exponential, wait_random

from auditsvc.ground.compression import CHUNK_BYTES, DECODERS, Decoder
from auditsvc.ground.errors import CODES, AuditError, InputError, StorageError
from auditsvc.ground.files import SHARED, replace_file

DEFAULT_BATCH_BYTES = 2 * 1024 * 1024
"""Large enough that the cost of syncing is negligible, small enough to show progress."""
MAX_BATCH_BYTES = 64 * 1024 * 1024
"""Maximum body size that the service accepts in its default settings."""
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 15.0
_MAGIC = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))
_UNBOUNDED = 1 << 62
_RETRY_STATUS = frozenset({429, 502, 503, 504})
_SECONDS = 60.0
_BACKOFF = wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S)


class _NotTakenError(Exception):
    """The service did not accept a batch but may do so later; ``pause_s`` is the delay it requests."""

    def __init__(self, reason: str, pause_s: float = 0.0) -> None:
        super().__init__(reason)
        self.pause_s = pause_s


@dataclass(frozen=True, slots=True)
class PushPlan:
    """What to send where.

    Attributes:
        file: the log, plain, gzip or zstd.
        source: source the API key belongs to.
        key: the API key.
        state_path: file in which the progress is saved.
        batch_bytes: maximum size of a batch; a longer line is sent alone.
        whole: send the file as one body.
        patience_s: for how long one batch is retried.
    """

    file: Path
    source: str
    key: str
    state_path: Path
    batch_bytes: int = DEFAULT_BATCH_BYTES
    whole: bool = False
    patience_s: float = 300.0


@dataclass(frozen=True, slots=True)
class PushProgress:
    """PushProgress and results so far; also the contents of the state file.

    Attributes:
        service: URL of the service; progress does not apply to another one.
        source: source of the records.
        size: bytes of the unpacked file.
        offset: number of its bytes covered by receipts.
        sent_sha256: hex digest of those bytes.
        batches, records, accepted, quarantined, duplicates: sums over the receipts of all runs.
    """

    service: str
    source: str
    size: int
    offset: int = 0
    sent_sha256: str = hashlib.sha256().hexdigest()
    batches: int = 0
    records: int = 0
    accepted: int = 0
    quarantined: int = 0
    duplicates: int = 0


def push_file(
    plan: PushPlan,
    client: httpx.Client,
    *,
    report: Callable[[PushProgress], None],
    sleep: Callable[[float], None],
) -> PushProgress:
    """Send what has not been sent yet, and return the sums.

    Args:
        plan: what to send.
        client: with the service's URL as base.
        report: called with the initial progress and after every batch.
        sleep: called with the seconds to wait.

    Raises:
        InputError: ``body_empty``, ``body_undecodable`` for the file; the service's own code when it refuses.
        StorageError: ``storage_unavailable`` when the service is unavailable for ``patience_s``, or the progress cannot
            be saved.
    """
    progress, sent = _begin(plan, str(client.base_url))
    _save_state(plan.state_path, progress)
    report(progress)
    for offset, batch in read_batches(plan.file, progress.offset, plan.batch_bytes, whole=plan.whole):
        for place, part, receipt in _send_split(plan, client, offset, batch, sleep):
            sent.update(part)
            progress = replace(
                progress,
                offset=place + len(part),
                sent_sha256=sent.hexdigest(),
                batches=progress.batches + 1,
                records=progress.records + receipt["records"],
                accepted=progress.accepted + receipt["accepted"],
                quarantined=progress.quarantined + receipt["quarantined"],
                duplicates=progress.duplicates + receipt["duplicates"],
            )
            _save_state(plan.state_path, progress)
            report(progress)
    return progress


def _begin(plan: PushPlan, service: str) -> tuple[PushProgress, "hashlib._Hash"]:
    """Return the progress to continue from, and the digest so far: those of an earlier run if the file still begins the same."""
    known = _load_state(plan.state_path)
    if known is not None and (known.service, known.source) == (service, plan.source):
        size, sent = measure_file(plan.file, known.offset)
        if known.offset <= size and known.sent_sha256 == sent.hexdigest():
            return replace(known, size=size), sent
    size, sent = measure_file(plan.file, 0)
    return PushProgress(service, plan.source, size), sent


def measure_file(path: Path, offset: int) -> tuple[int, "hashlib._Hash"]:
    """Return the size of the decompressed file and the SHA-256 of its first ``offset`` bytes.

    Raises:
        InputError: ``body_empty``, ``body_undecodable``, ``not_found``.
    """
    digest, size = hashlib.sha256(), 0
    for piece in _read_pieces(path):
        digest.update(piece[: max(0, offset - size)])
        size += len(piece)
    if size == 0:
        raise InputError("body_empty", f"`{path}` is empty")
    return size, digest


def read_batches(path: Path, start: int, batch_bytes: int, *, whole: bool) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, bytes) from ``start`` on: whole lines up to ``batch_bytes``, or everything at once."""
    held, offset, skip = b"", start, start
    for piece in _read_pieces(path):
        if skip >= len(piece):
            skip -= len(piece)
            continue
        held += piece[skip:]
        skip = 0
        if whole:
            continue
        while len(held) > batch_bytes:
            end = held.rfind(b"\n", 0, batch_bytes) + 1 or held.find(b"\n") + 1
            if not end:
                break
            yield offset, held[:end]
            offset += end
            held = held[end:]
    if held:
        yield offset, held


def is_array(path: Path) -> bool:
    """Whether the decompressed file starts with a JSON array."""
    for piece in _read_pieces(path):
        text = piece.lstrip()
        if text:
            return text.startswith(b"[")
    return False


def _read_pieces(path: Path) -> Iterator[bytes]:
    """Yield the unpacked file piece by piece."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
            file.seek(0)
            encoding = next((name for magic, name in _MAGIC if head.startswith(magic)), "identity")
            decoder: Decoder = DECODERS[encoding]()
            while chunk := file.read(CHUNK_BYTES):
                piece = decoder.feed(chunk, _UNBOUNDED)
                if piece:
                    yield piece
            if head:
                decoder.finish()
    except OSError as err:
        raise InputError("not_found", f"cannot read `{path}`: {err.strerror}") from err


def _send_split(
    plan: PushPlan,
    client: httpx.Client,
    offset: int,
    batch: bytes,
    sleep: Callable[[float], None],
) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
    """Send a batch, split in halves when it is too large for the service; yield (offset, bytes, receipt) of each part."""
    try:
        yield offset, batch, _send(plan, client, offset, batch, sleep)
    except InputError as err:
        middle = batch.find(b"\n", len(batch) // 2) + 1 or batch.rfind(b"\n", 0, len(batch) - 1) + 1
        if plan.whole or err.http_status != 413 or not 0 < middle < len(batch):
            raise
        yield from _send_split(plan, client, offset, batch[:middle], sleep)
        yield from _send_split(plan, client, offset + middle, batch[middle:], sleep)


def _send(
    plan: PushPlan,
    client: httpx.Client,
    offset: int,
    batch: bytes,
    sleep: Callable[[float], None],
) -> dict[str, Any]:
    """Send one batch, with retries, and return its receipt."""
    headers = {
        "Authorization": f"Bearer {plan.key}",
        "Content-Type": "application/json" if plan.whole else "text/plain",
        "Content-Encoding": "zstd",
        "Idempotency-Key": _build_key(offset, batch),
    }
    body = zstandard.ZstdCompressor(level=1).compress(batch)
    path = f"/ingest/v1/sources/{quote(plan.source, safe='')}/records"
    retrying = Retrying(
        retry=retry_if_exception_type(_NotTakenError),
        wait=_find_pause,
        stop=lambda state: state.idle_for + state.upcoming_sleep > plan.patience_s,
        sleep=sleep,
    )
    try:
        return retrying(_post, client, path, body, headers)
    except RetryError as err:
        raise StorageError(
            "storage_unavailable",
            f"`{client.base_url}` does not take the batch at byte {offset}: {err.last_attempt.exception()}; start `push` "
            "again to go on there",
        ) from err


def _post(client: httpx.Client, path: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """Make one attempt to send a batch and return its receipt; raise ``_NotTakenError`` when a retry may help."""
    try:
        response = client.post(path, content=body, headers=headers, timeout=_SECONDS)
    except httpx.TransportError as err:
        raise _NotTakenError(f"{type(err).__name__}: {err}".rstrip(": ")) from err
    if response.status_code in _RETRY_STATUS:
        raise _NotTakenError(f"status {response.status_code}", _retry_after(response))
    if response.status_code not in (200, 201):
        raise _refusal(response)
    receipt: dict[str, Any] = response.json()
    return receipt


def _find_pause(state: RetryCallState) -> float:
    """Return the seconds to wait: at least what the service requests, plus up to a quarter of jitter."""
    failure = state.outcome.exception() if state.outcome is not None else None
    asked = failure.pause_s if isinstance(failure, _NotTakenError) else 0.0
    pause = max(_BACKOFF(state), asked)
    return pause + wait_random(0, pause / 4)(state)


def _build_key(offset: int, batch: bytes) -> str:
    """Return the idempotency key of bytes at ``offset`` of a file, for its source."""
    return f"push-{hashlib.sha256(batch).hexdigest()[:40]}-{offset}-{len(batch)}"


def _retry_after(response: httpx.Response) -> float:
    """Return the ``Retry-After`` seconds, 0 when there are none."""
    text = response.headers.get("Retry-After", "")
    return min(float(text), LONGEST_WAIT_S) if text.isascii() and text.isdigit() else 0.0


def _refusal(response: httpx.Response) -> AuditError:
    """Return the service's refusal as an error, with its code if that is one of ours."""
    try:
        problem = response.json()
        code, detail = str(problem["code"]), str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        kind = response.headers.get("Content-Type", "nothing")
        code, detail = "delivery_refused", f"it answers with `{kind[:80]}`; is this the address deliveries go to?"
    if code not in CODES:
        code = "delivery_refused"
    return InputError(code, f"the service refused with status {response.status_code}: {detail}")


def _load_state(path: Path) -> PushProgress | None:
    """Return the saved state of an earlier run, None when there is none that can be used."""
    try:
        known = msgspec.json.decode(path.read_bytes(), type=PushProgress)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return known if known.offset >= 0 else None


def _save_state(path: Path, progress: PushProgress) -> None:
    """Replace the state file; raise ``StorageError`` (``storage_unavailable``) when it cannot be written."""
    try:
        replace_file(path, msgspec.json.encode(progress), SHARED)
    except OSError as err:
        message = f"the place cannot be kept in `{path}`: {err.strerror}; name another file with --state"
        raise StorageError("storage_unavailable", message) from err
