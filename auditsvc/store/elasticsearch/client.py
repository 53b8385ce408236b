"""The connection to Elasticsearch: opened from the settings, and checked before use.

Failover: a request that was never sent is retried on the next host, whatever it is. A read is retried after any lost
connection. A write whose response was lost has an unknown outcome, which only the caller can resolve; it is never
retried here.
"""

import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from elastic_transport import Transport, TransportApiResponse, TransportError, Urllib3HttpNode
from elasticsearch import ApiError, AuthenticationException, Elasticsearch, __version__
from elasticsearch.serializer import JsonSerializer
from urllib3.exceptions import ConnectTimeoutError

from auditsvc.ground.errors import AuditError, StorageError
from auditsvc.ground.settings.model import Settings
from auditsvc.store.elasticsearch.failure import CODE, HostFailure, get_reason, storage_errors

CLIENT_MAJOR: int = __version__[0]
"""The supported major version of the server."""
UNKNOWN = "unknown"
_READS = frozenset({"_count", "_field_caps", "_mget", "_msearch", "_refresh", "_search"})
"""Last path segment of the POST endpoints that change nothing."""
_OTHER_HOST_STATUS = (502, 503, 504)
"""Response statuses to a read for which another host is tried."""
_LARGEST_SECRET = 8192


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The server's version, licence and nodes.

    Attributes:
        version: lowest version among the nodes, such as ``8.19.16``.
        licence: kind of licence, such as ``basic``; ``unknown`` when the server does not report it or our role may not ask.
        nodes: names of the nodes, sorted.
    """

    version: str
    licence: str
    nodes: tuple[str, ...]


def open_client(settings: Settings) -> Elasticsearch:
    """Return a client of the settings' Elasticsearch; does not connect; the caller closes it.

    Raises:
        AuditError: ``settings_invalid`` when no URL is set, or a secret or certificate file is unusable.
    """
    if not settings.elasticsearch_hosts:
        raise AuditError("settings_invalid", "elasticsearch_urls: expected an address of elasticsearch, got none")
    return Elasticsearch(
        list(settings.elasticsearch_hosts),
        transport_class=_FailoverTransport,
        node_class=_NamedNode,
        serializer=_FastReader(),
        request_timeout=settings.elasticsearch_timeout_s,
        max_retries=0,
        retry_on_timeout=False,
        retry_on_status=(),
        **_build_trust(settings),
        **_build_credential(settings),
    )


def check_server(client: Elasticsearch) -> ServerFacts:
    """Query the server's version and licence, and check that this program supports it.

    This uses the nodes API rather than ``GET /``, which some builds do not answer.

    Raises:
        StorageError: ``storage_unavailable`` when it is unreachable, refuses access, or has another major version.
    """
    with storage_errors():
        try:
            answer = client.nodes.info(filter_path="nodes.*.name,nodes.*.version")
        except ApiError as err:
            if "media_type_header_exception" in get_reason(err.body):
                raise StorageError(CODE, _describe_version("elasticsearch", "another major version")) from err
            raise
        found = sorted((node["name"], node["version"]) for node in answer.get("nodes", {}).values())
    if not found:
        raise StorageError(
            CODE, "elasticsearch named none of its nodes; our role needs the cluster privilege `monitor`"
        )
    for name, version in found:
        if _parse_version(version)[0] != CLIENT_MAJOR:
            raise StorageError(CODE, _describe_version(f"elasticsearch node `{name}`", f"version {version}"))
    lowest = min((version for _, version in found), key=_parse_version)
    return ServerFacts(lowest, _get_licence(client), tuple(name for name, _ in found))


class _FastReader(JsonSerializer):
    """A faster parser for large responses; falls back to the client's own for what it cannot parse."""

    def json_loads(self, data: bytes) -> Any:
        """Return the value of a response; raise ``ValueError`` for invalid JSON."""
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return super().json_loads(data)


_asked = threading.local()
"""The host this thread queried last: where the library parses a response, it no longer knows the host."""


class _NamedNode(Urllib3HttpNode):
    """A node that records its host name in its failures."""

    def perform_request(self, *args: Any, **options: Any) -> Any:
        """Return the host's response."""
        _asked.host = f"{self.host}:{self.port}"
        return super().perform_request(*args, **options)


class _FailoverTransport(Transport):
    """Fails over to other hosts when a retry is safe; see the module's docstring."""

    def perform_request(self, method: str, target: str, **options: Any) -> TransportApiResponse:
        """Return the response of the first host that answers.

        Raises:
            HostFailure: the last host tried did not answer, or its response cannot be read.
        """
        _asked.host = ""
        try:
            return self._ask_hosts(method, target, **options)
        except TransportError as err:
            if not _asked.host:
                raise
            raise HostFailure(_asked.host, err) from err

    def _ask_hosts(self, method: str, target: str, **options: Any) -> TransportApiResponse:
        if _is_read(method, target):
            options |= {"max_retries": 1, "retry_on_status": _OTHER_HOST_STATUS}
        for _ in range(len(self.node_pool) - 1):
            try:
                return super().perform_request(method, target, **options)
            except TransportError as err:
                if not _was_never_sent(err):
                    raise
        return super().perform_request(method, target, **options)


def _is_read(method: str, target: str) -> bool:
    """Return whether a request changes nothing."""
    path = target.partition("?")[0]
    return method in ("GET", "HEAD") or (method == "POST" and path.rpartition("/")[2] in _READS)


def _was_never_sent(err: TransportError) -> bool:
    """Return whether no connection was established; includes refused connections."""
    return isinstance(err.__cause__, ConnectTimeoutError)


def _build_trust(settings: Settings) -> dict[str, Any]:
    """Return the client's TLS options."""
    path = settings.elasticsearch_ca_file
    if path is None or not any(url.startswith("https:") for url in settings.elasticsearch_hosts):
        return {}
    try:
        ssl.create_default_context(cafile=path)
    except OSError as err:  # SSL errors are subclasses of it
        reason = "it holds no certificate in PEM" if isinstance(err, ssl.SSLError) else err.strerror
        raise AuditError("settings_invalid", f"elasticsearch_ca_file: `{path}` cannot be used: {reason}") from err
    return {"ca_certs": str(path)}


def _build_credential(settings: Settings) -> dict[str, Any]:
    """Return the client's authentication options."""
    if settings.elasticsearch_api_key_file is not None:
        return {"api_key": _read_secret("elasticsearch_api_key_file", settings.elasticsearch_api_key_file)}
    if settings.elasticsearch_password_file is not None:
        password = _read_secret("elasticsearch_password_file", settings.elasticsearch_password_file)
        return {"basic_auth": (settings.elasticsearch_user, password)}
    return {}


def _read_secret(setting: str, path: Path) -> str:
    """Return the secret in a file, without the trailing newline."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_SECRET + 1)
        text = data.decode().removesuffix("\n").removesuffix("\r")
    except OSError as err:
        raise AuditError("settings_invalid", f"{setting}: cannot read `{path}`: {err.strerror}") from err
    except UnicodeDecodeError as err:
        raise AuditError("settings_invalid", f"{setting}: `{path}` is not text in UTF-8") from err
    if not text or len(data) > _LARGEST_SECRET or not text.isprintable():
        raise AuditError("settings_invalid", f"{setting}: expected one line with the secret in `{path}`")
    return text


def _get_licence(client: Elasticsearch) -> str:
    """Return the kind of licence; not every build provides it, and not every role may read it."""
    with storage_errors():
        try:
            return str(client.license.get()["license"]["type"])
        except AuthenticationException:
            raise
        except (ApiError, KeyError):
            return UNKNOWN


def _parse_version(text: str) -> tuple[int, ...]:
    """Return a version's numbers, without what may follow a dash."""
    return tuple(int(part) if part.isdecimal() else 0 for part in text.partition("-")[0].split("."))


def _describe_version(who: str, what: str) -> str:
    """Return what to do about a server of another major version."""
    return f"{who} is of {what}, but this program's client is of {CLIENT_MAJOR}.x; run a server of version {CLIENT_MAJOR}.x"
