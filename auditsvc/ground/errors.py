"""One error root with stable codes, and the one table from a code to its HTTP status and exit code.

A code is documented in ``docs/errors.md`` and is the same in the API, the console, the command line and the logs.
Texts are lower case, without a final stop, with input in backticks; they say what was wrong, where, what was
expected, what was got and, where the reader can act, what to do next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

EXIT_OK = 0
EXIT_FINDING = 1
EXIT_USAGE = 2
EXIT_DEPENDENCY = 3
EXIT_INCOMPLETE = 2
"""For verifications only: nothing failed, but a step could not be done; a verification never uses it for "usage"."""
EXIT_NOT_BEGUN = 3
"""For verifications only: nothing was checked, because the call was wrong or there was nothing to check."""


class AuditError(Exception):
    """Base of every error reported to a user or a client.

    Attributes:
        code: stable name, a key of :data:`CODES`.
        message: one sentence for whoever has to act.
        context: the message's data in machine-readable form; JSON-serialisable values only.
    """

    def __init__(self, code: str, message: str, **context: Any) -> None:
        """Create an error with a registered ``code``; an unregistered code is a programming error."""
        if code not in CODES:
            raise KeyError(f"unregistered error code {code}")
        super().__init__(message)
        self.code = code
        self.message = message
        self.context = context

    @property
    def http_status(self) -> int:
        """The HTTP status of a response that reports this error."""
        return CODES[self.code].http_status

    @property
    def exit_code(self) -> int:
        """The exit code of a command that ends with this error."""
        return CODES[self.code].exit_code


class InputError(AuditError):
    """External input does not have the documented form."""


class PolicyError(AuditError):
    """A policy, condition or catalogue document is wrong; carries file, line and column."""


class LogError(AuditError):
    """The ledger, its archive or a proof is invalid or inconsistent."""


class SigningError(AuditError):
    """A key is missing or unusable, or a signature does not verify."""


class StorageError(AuditError):
    """An operation of a database, index or disk failed."""


class AuthError(AuditError):
    """The caller is not authenticated or not authorised."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a document or a body, with its position.

    ``line`` and ``column`` are 1-based; 0 means "the document as a whole".
    """

    file: str
    line: int
    column: int
    code: str
    message: str

    def __str__(self) -> str:
        """Return ``file:line:column: message [code]``, which editors can jump to."""
        return f"{self.file}:{self.line}:{self.column}: {self.message} [{self.code}]"


class DocumentError(PolicyError):
    """One or more problems in documents, collected so that an author sees them all at once."""

    def __init__(self, code: str, problems: Sequence[Problem]) -> None:
        """Collect ``problems``, at least one."""
        self.problems = tuple(problems)
        text = "\n".join(str(problem) for problem in self.problems)
        super().__init__(code, text, problems=[str(problem) for problem in self.problems])


@dataclass(frozen=True, slots=True)
class CodeInfo:
    """The HTTP status and exit code of an error code."""

    http_status: int
    exit_code: int
    meaning: str


CODES: Mapping[str, CodeInfo] = MappingProxyType(
    {
        # settings and documents
        "settings_invalid": CodeInfo(500, EXIT_USAGE, "a setting is unknown or has an invalid value"),
        "document_invalid": CodeInfo(422, EXIT_FINDING, "a YAML document does not follow its schema"),
        "condition_invalid": CodeInfo(422, EXIT_FINDING, "a condition names an unknown field, modifier or value"),
        "condition_unsupported": CodeInfo(422, EXIT_FINDING, "this store does not support the condition"),
        "policy_invalid": CodeInfo(422, EXIT_FINDING, "a policy, list, calendar or legal act is invalid"),
        "query_invalid": CodeInfo(422, EXIT_USAGE, "a search query cannot be parsed"),
        # input
        "input_invalid": CodeInfo(422, EXIT_USAGE, "a value is not of the documented form"),
        "json_invalid": CodeInfo(422, EXIT_FINDING, "a record is not valid JSON"),
        "field_invalid": CodeInfo(422, EXIT_FINDING, "a field is unknown, missing, of the wrong type or out of bounds"),
        "field_unknown": CodeInfo(422, EXIT_FINDING, "there is no field of this name"),
        "time_invalid": CodeInfo(422, EXIT_FINDING, "a time is not RFC 3339 with an offset, or out of range"),
        "address_invalid": CodeInfo(422, EXIT_FINDING, "an IP address is not valid"),
        "request_invalid": CodeInfo(
            400, EXIT_USAGE, "a header or parameter of the request is not of its documented form"
        ),
        "body_incomplete": CodeInfo(400, EXIT_DEPENDENCY, "the body ended before the declared length"),
        "length_required": CodeInfo(411, EXIT_USAGE, "the request has no `Content-Length`"),
        "body_empty": CodeInfo(422, EXIT_USAGE, "the body is empty"),
        "body_undecodable": CodeInfo(422, EXIT_FINDING, "the body cannot be decoded with its content encoding"),
        "records_invalid": CodeInfo(422, EXIT_FINDING, "records of the body are invalid; nothing was stored"),
        "record_too_large": CodeInfo(413, EXIT_USAGE, "one record is larger than the limit"),
        "too_many_records": CodeInfo(413, EXIT_USAGE, "the body holds more records than one delivery may"),
        "record_empty": CodeInfo(422, EXIT_FINDING, "a record is empty"),
        "line_invalid": CodeInfo(422, EXIT_FINDING, "a line of a text log does not match its format"),
        "interface_unmatched": CodeInfo(422, EXIT_FINDING, "no rule of the source assigns an interface to the record"),
        "foreign_interface": CodeInfo(422, EXIT_FINDING, "a source reported an interface that is not its own"),
        "source_unknown": CodeInfo(404, EXIT_FINDING, "the catalogue in force has no usable source of this name"),
        "delivery_refused": CodeInfo(502, EXIT_FINDING, "the service refused a delivery that `push` sent"),
        "not_found": CodeInfo(404, EXIT_FINDING, "there is nothing under this name"),
        "conflict": CodeInfo(409, EXIT_FINDING, "the object is not in the state this operation requires"),
        # auth
        "unauthenticated": CodeInfo(401, EXIT_FINDING, "no valid credential was given"),
        "forbidden": CodeInfo(403, EXIT_FINDING, "the credential does not allow this"),
        "key_revoked": CodeInfo(403, EXIT_FINDING, "the API key was revoked"),
        "key_expired": CodeInfo(403, EXIT_FINDING, "the API key expired"),
        "password_weak": CodeInfo(422, EXIT_FINDING, "a new password does not follow the rules"),
        "locked_out": CodeInfo(429, EXIT_FINDING, "too many failed sign-ins under this name; locked for some minutes"),
        "overloaded": CodeInfo(429, EXIT_DEPENDENCY, "the service is overloaded; retry later"),
        "method_not_allowed": CodeInfo(
            405, EXIT_USAGE, "this URL does not support this method; `Allow` lists those it supports"
        ),
        "media_type_unsupported": CodeInfo(415, EXIT_USAGE, "this URL does not accept the body's media type"),
        "body_too_large": CodeInfo(413, EXIT_USAGE, "the body is larger than the limit"),
        "internal": CodeInfo(500, EXIT_DEPENDENCY, "the program failed; the log has the details"),
        "key_unusable": CodeInfo(500, EXIT_DEPENDENCY, "a key file is missing, damaged or of the wrong kind"),
        # ledger
        "idempotency_conflict": CodeInfo(409, EXIT_FINDING, "an idempotency key was used before, for other bytes"),
        "header_invalid": CodeInfo(500, EXIT_FINDING, "an entry of the log is not of its documented form"),
        "frame_corrupt": CodeInfo(500, EXIT_FINDING, "a frame or object of the archive is not what was written"),
        "log_damaged": CodeInfo(500, EXIT_FINDING, "the stored log is inconsistent"),
        "proof_invalid": CodeInfo(422, EXIT_FINDING, "a proof has an impossible index, size or length"),
        "root_mismatch": CodeInfo(422, EXIT_FINDING, "a proof leads to another root hash"),
        "note_invalid": CodeInfo(422, EXIT_FINDING, "a signed note or checkpoint is not of its documented form"),
        "bundle_invalid": CodeInfo(422, EXIT_FINDING, "a period bundle is not of its documented form"),
        "signature_invalid": CodeInfo(422, EXIT_FINDING, "a signature is missing or invalid"),
        "checkpoint_refused": CodeInfo(
            503, EXIT_FINDING, "the log does not extend its last checkpoint; nothing is signed"
        ),
        # signing and reports
        "token_invalid": CodeInfo(
            422,
            EXIT_FINDING,
            "a signed token or document is malformed, of the wrong kind, or has an invalid signature",
        ),
        "report_failed": CodeInfo(500, EXIT_DEPENDENCY, "a report could not be rendered or signed"),
        # what a service needs before it starts
        "ledger_missing": CodeInfo(503, EXIT_DEPENDENCY, "there is no ledger where the settings say"),
        "folder_in_use": CodeInfo(503, EXIT_DEPENDENCY, "another auditsvc process is using the data folder"),
        "address_unavailable": CodeInfo(503, EXIT_DEPENDENCY, "an address to listen on is in use or unavailable"),
        # storage
        "storage_unavailable": CodeInfo(503, EXIT_DEPENDENCY, "a database, index or disk is unavailable"),
    }
)
