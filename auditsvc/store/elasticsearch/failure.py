"""Translation of Elasticsearch failures: what happened, where, and which setting to check."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import RemoteDisconnected
from typing import Any

from elastic_transport import ConnectionError, ConnectionTimeout, TlsError, TransportError
from elasticsearch import ApiError, AuthenticationException, AuthorizationException, UnsupportedProductError
from urllib3.exceptions import NameResolutionError

from auditsvc.ground.errors import StorageError

CODE = "storage_unavailable"
_BLOCK = "cluster_block_exception"
"""Error type when an index or the cluster blocks the operation for every user; it names index and block."""
_REASON_LENGTH = 500
"""Maximum length of the server's own text in a message; it can quote a whole request."""


class HostFailure(TransportError):
    """A request without a usable response, and its host, which the library's own exceptions seldom name.

    Attributes:
        host: name and port.
        failure: the library's exception.
    """

    def __init__(self, host: str, failure: TransportError) -> None:
        """Wrap ``failure``; message and errors stay its own."""
        super().__init__(failure.message, failure.errors)
        self.host = host
        self.failure = failure


@contextmanager
def storage_errors() -> Iterator[None]:
    """Translate exceptions of the Elasticsearch client raised in the block.

    Raises:
        StorageError: ``storage_unavailable``, with ``status`` in its context when the server answered.
    """
    try:
        yield
    except ApiError as err:
        raise StorageError(CODE, describe(err), status=err.status_code) from err
    except TransportError as err:
        raise StorageError(CODE, describe(err)) from err


def describe(err: ApiError | TransportError) -> str:
    """Return what happened, at which address, and which setting to check."""
    return _describe_answer(err) if isinstance(err, ApiError) else _describe_silence(err)


def get_reason(body: Any) -> str:
    """Return the reason in an error's body, ``type: reason: reason of its cause``; empty when there is none.

    Only the cause tells which shard is missing; the reason of such a response is just `start`.
    """
    error = body.get("error") if isinstance(body, dict) else body
    if isinstance(error, dict):
        words = [error.get("type"), error.get("reason"), (error.get("caused_by") or {}).get("reason")]
        error = ": ".join(str(word) for word in words if word)
    return str(error or "")[:_REASON_LENGTH]


def _describe_answer(err: ApiError) -> str:
    """Return what a response other than 2xx means."""
    host = _format_node(err)
    reason = get_reason(err.body)
    if isinstance(err, UnsupportedProductError):
        return f"`{host}` answers, but is not elasticsearch; see elasticsearch_urls"
    if isinstance(err, AuthenticationException):
        return (
            f"elasticsearch at `{host}` does not accept the user and password, or the API key; see elasticsearch_user, "
            "elasticsearch_password_file and elasticsearch_api_key_file"
        )
    if isinstance(err, AuthorizationException) and reason.startswith(_BLOCK):
        advice = "a block forbids this to everybody; an administrator takes it away: `index.blocks.*` set to null"
        return f"elasticsearch at `{host}` answered {err.status_code}: {reason.rstrip(';')}; {advice}"
    if isinstance(err, AuthorizationException):
        return f"elasticsearch at `{host}` does not allow this to our user or key: {reason}"
    return f"elasticsearch at `{host}` answered {err.status_code}: {reason or 'nothing more'}"


def _describe_silence(err: TransportError) -> str:
    """Return why there was no response."""
    at = ""
    if isinstance(err, HostFailure):
        at, err = f" at `{err.host}`", err.failure
    if isinstance(err, TlsError):
        return f"no TLS with elasticsearch{at}: {_describe_tls(err)}; see elasticsearch_urls and elasticsearch_ca_file"
    if isinstance(err, ConnectionTimeout):
        return f"no answer from elasticsearch{at} in time; see elasticsearch_timeout_s"
    if isinstance(err, ConnectionError):
        return f"no connection to elasticsearch{at}: {_describe_system(err)}; see elasticsearch_urls"
    return f"elasticsearch{at} gave an answer that cannot be read: {str(err.message)[:_REASON_LENGTH]}; see elasticsearch_urls"


def _describe_tls(err: TransportError) -> str:
    """Return why certificate verification or the handshake failed."""
    for cause in _causes(err):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted, {str(cause.verify_message).rstrip('.')}"
        if isinstance(cause, ssl.SSLError) and cause.reason:
            return str(cause.reason).replace("_", " ").lower()
    return str(err.message)[:_REASON_LENGTH]


def _describe_system(err: TransportError) -> str:
    """Return the operating system's reason."""
    for cause in _causes(err):
        if isinstance(cause, NameResolutionError):
            return "there is no such host"
        if isinstance(cause, RemoteDisconnected):
            return "it was closed without an answer"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    return str(err.message)[:_REASON_LENGTH]


def _causes(err: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, outermost first."""
    seen: BaseException | None = err
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _format_node(err: ApiError) -> str:
    """Return the address of the node that responded."""
    node = err.meta.node
    return f"{node.scheme}://{node.host}:{node.port}"
