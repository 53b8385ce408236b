"""The single field catalogue of the canonical access event.

Everything else is derived from :data:`FIELDS`: the msgspec struct that reads native JSON (:mod:`auditsvc.event.native`),
the columns of the embedded store, the mapping of the Elasticsearch store, the type checker of the condition language
and ``docs/event-fields.md``. A flat event (:data:`auditsvc.event.model.Event`) uses the short names as keys.
"""

from dataclasses import dataclass
from enum import Enum

from auditsvc.ground.errors import InputError

SCHEMA_VERSION = "1"
"""Version of the catalogue, stored with every event; raised when a field changes type or meaning."""

MAX_KEYWORD = 1024
"""Longest keyword in characters; longer ones are not identifiers but payload."""
MAX_TEXT = 8192
"""Longest free text (reasons, user agents, error messages) in characters."""
MAX_ITEMS = 1000
"""Most items of a list field in one event; a longer access is a download and is counted in ``rows``."""
LABEL_PREFIX = "labels."


class Kind(Enum):
    """Type of a field's values; lists are marked by :attr:`Field.multi`."""

    KEYWORD = "keyword"
    TEXT = "text"
    ENUM = "enum"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    IP = "ip"


class Level(Enum):
    """Where a field's value comes from."""

    MUST = "must"
    SHOULD = "should"
    JOINED = "joined"
    DERIVED = "derived"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the canonical event.

    Attributes:
        name: short name, dots for nesting; key of the flat event, of native JSON, of policies and of search.
        kind: type of its values: str for keyword, text, enum and ip (canonical text), int for integer and
            time (nanoseconds since 1970-01-01T00:00:00Z), float for number, bool for boolean.
        level: ``must`` and ``should`` come from the producer, ``joined`` from the catalogue, ``derived`` from this program.
        path: stored path in Elasticsearch: the ECS name where there is one, else ``govshare.*``.
        meaning, meaning_zh: a one-line description for documents, editors and the console.
        multi: values are lists.
        values: the closed set of an enum.
    """

    name: str
    kind: Kind
    level: Level
    path: str
    meaning: str
    meaning_zh: str
    multi: bool = False
    values: tuple[str, ...] = ()

    @property
    def is_input(self) -> bool:
        """Whether a producer may send it in native JSON."""
        return self.level in (Level.MUST, Level.SHOULD)


ACTIONS = (
    "query", "verify", "list", "download", "push", "subscribe", "exchange", "create", "update", "delete", "login",
    "grant", "heartbeat",
)  # fmt: skip
OUTCOMES = ("success", "failure", "denied", "unknown")
SIDES = ("consumer", "provider", "gateway", "store")
TRAFFIC = ("business", "test", "probe", "metadata", "internal")
SHARE_TYPES = ("unconditional", "conditional", "none")
AGREEMENT_STATES = ("active", "not_yet", "expired", "unknown")
SUBJECT_TYPES = ("person", "legal_person", "object")
PHASES = ("building", "trial", "accepted", "operation")
NETWORKS = ("intranet", "extranet", "internet")
DOMAINS = ("public_service", "administrative_service")
VERDICTS = ("permitted", "violated", "excepted", "indeterminate", "not_covered")
LIBRARIES = (
    "population", "legal_person", "geography", "macro_economy", "public_credit", "licence", "decision", "theme",
    "department",
)  # fmt: skip

_K, _L = Kind, Level

FIELDS: tuple[Field, ...] = (
    Field("time", _K.TIME, _L.MUST, "@timestamp", "when the request reached the interface", "请求到达接口的时间"),
    Field("end", _K.TIME, _L.SHOULD, "event.end", "when the response left the interface", "响应离开接口的时间"),
    Field("duration_ms", _K.NUMBER, _L.SHOULD, "event.duration", "duration in milliseconds (stored in ECS as ns)", "耗时（毫秒）"),
    Field("id", _K.KEYWORD, _L.SHOULD, "event.id", "the producer's id; derived from source and record when absent", "产生方的事件编号"),
    Field("action", _K.ENUM, _L.MUST, "event.action", "what was attempted", "访问动作", values=ACTIONS),
    Field("outcome", _K.ENUM, _L.MUST, "event.outcome", "success, failure, denied or unknown", "访问结果", values=OUTCOMES),
    Field("reason", _K.TEXT, _L.SHOULD, "event.reason", "reason for the outcome", "结果原因"),
    Field("sequence", _K.INTEGER, _L.SHOULD, "event.sequence", "the source's own counter, for gap detection", "来源自身的序号"),
    Field("correlation", _K.KEYWORD, _L.SHOULD, "trace.id", "id shared by both sides of a call", "双方共用的关联号"),
    Field("side", _K.ENUM, _L.SHOULD, "govshare.side", "which side of the call wrote the record", "记录所在一侧", values=SIDES),
    Field("traffic", _K.ENUM, _L.DERIVED, "govshare.traffic", "business, or test, probe, metadata, internal", "流量类别", values=TRAFFIC),
    Field("source.ip", _K.IP, _L.SHOULD, "source.ip", "network peer, or the real client behind trusted proxies", "来源地址"),
    Field("source.port", _K.INTEGER, _L.SHOULD, "source.port", "port of the network peer", "来源端口"),
    Field("server.address", _K.KEYWORD, _L.SHOULD, "server.address", "serving node", "服务节点"),
    Field("user.id", _K.KEYWORD, _L.SHOULD, "user.id", "the official or the service account", "操作人或服务账号"),
    Field("user.name", _K.KEYWORD, _L.SHOULD, "user.name", "name shown for the user", "操作人名称"),
    Field("user.roles", _K.KEYWORD, _L.SHOULD, "user.roles", "roles of the user", "操作人角色", multi=True),
    Field("consumer.org", _K.KEYWORD, _L.MUST, "govshare.consumer.org", "using organisation: unified social credit code", "使用单位统一社会信用代码"),
    Field("consumer.system", _K.KEYWORD, _L.SHOULD, "service.origin.name", "using application", "使用单位系统"),
    Field("consumer.level", _K.KEYWORD, _L.JOINED, "govshare.consumer.level", "city, district, town or enterprise", "使用单位层级"),
    Field("consumer.division", _K.KEYWORD, _L.JOINED, "govshare.consumer.division", "GB/T 2260 division code", "使用单位行政区划代码"),
    Field("provider.org", _K.KEYWORD, _L.JOINED, "govshare.provider.org", "who answers for the data", "提供单位统一社会信用代码"),
    Field("provider.system", _K.KEYWORD, _L.SHOULD, "service.name", "providing application", "提供单位系统"),
    Field("on_behalf_of", _K.KEYWORD, _L.SHOULD, "govshare.on_behalf_of", "represented party", "被代表方"),
    Field("interface.id", _K.KEYWORD, _L.MUST, "govshare.interface.id", "registered interface", "接口编号"),
    Field("interface.name", _K.KEYWORD, _L.JOINED, "govshare.interface.name", "name of the interface", "接口名称"),
    Field("interface.version", _K.KEYWORD, _L.SHOULD, "govshare.interface.version", "version of the interface", "接口版本"),
    Field("interface.protocol", _K.KEYWORD, _L.SHOULD, "govshare.interface.protocol", "protocol used", "接口协议"),
    Field("resource.code", _K.KEYWORD, _L.SHOULD, "govshare.resource.code", "catalogue codes of the resources touched", "资源代码", multi=True),
    Field("resource.name", _K.KEYWORD, _L.JOINED, "govshare.resource.name", "names of the resources", "资源名称", multi=True),
    Field("resource.library", _K.ENUM, _L.JOINED, "govshare.resource.library", "base library", "所属基础库", values=LIBRARIES),
    Field("resource.share_type", _K.ENUM, _L.JOINED, "govshare.resource.share_type", "unconditional, conditional or none", "共享类型", values=SHARE_TYPES),
    Field("resource.sensitivity", _K.INTEGER, _L.JOINED, "govshare.resource.sensitivity", "data grade, 1 to 5", "数据分级"),
    Field("resource.personal", _K.BOOLEAN, _L.JOINED, "govshare.resource.personal", "contains personal information", "是否含个人信息"),
    Field("fields", _K.KEYWORD, _L.SHOULD, "govshare.fields", "information items returned or requested", "信息项", multi=True),
    Field("rows", _K.INTEGER, _L.SHOULD, "govshare.rows", "rows returned", "返回行数"),
    Field("bytes", _K.INTEGER, _L.SHOULD, "http.response.bytes", "payload bytes", "返回字节数"),
    Field("query_fingerprint", _K.KEYWORD, _L.SHOULD, "govshare.query.fingerprint", "normalised statement without literals", "查询指纹"),
    Field("agreement.id", _K.KEYWORD, _L.SHOULD, "govshare.agreement.id", "sharing agreement or approved request", "共享协议编号"),
    Field("agreement.status", _K.ENUM, _L.JOINED, "govshare.agreement.status", "state of the agreement at the event's time", "协议状态", values=AGREEMENT_STATES),
    Field("agreement.until", _K.TIME, _L.JOINED, "govshare.agreement.until", "end of the agreement, exclusive", "协议截止时间"),
    Field("agreement.consumer", _K.KEYWORD, _L.JOINED, "govshare.agreement.consumer", "organisation the agreement is with", "协议使用单位"),
    Field("agreement.purposes", _K.KEYWORD, _L.JOINED, "govshare.agreement.purposes", "purposes the agreement allows", "协议约定用途", multi=True),
    Field("agreement.fields", _K.KEYWORD, _L.JOINED, "govshare.agreement.fields", "items the agreement allows", "协议约定信息项", multi=True),
    Field("agreement.resources", _K.KEYWORD, _L.JOINED, "govshare.agreement.resources", "resources the agreement covers", "协议约定资源", multi=True),
    Field("agreement.max_rows", _K.INTEGER, _L.JOINED, "govshare.agreement.max_rows", "maximum rows of one access under the agreement", "协议单次行数上限"),
    Field("purpose", _K.KEYWORD, _L.SHOULD, "govshare.purpose.code", "stated purpose of use", "使用用途"),
    Field("scenario", _K.TEXT, _L.SHOULD, "govshare.purpose.scenario", "stated scenario of use", "应用场景"),
    Field("matter", _K.KEYWORD, _L.SHOULD, "govshare.matter.code", "government service matter", "政务服务事项"),
    Field("case_no", _K.KEYWORD, _L.SHOULD, "govshare.matter.case_no", "case number", "办件编号"),
    Field("subject.type", _K.ENUM, _L.SHOULD, "govshare.subject.type", "whose data: person, legal_person, object", "数据主体类型", values=SUBJECT_TYPES),
    Field("subject.hash", _K.KEYWORD, _L.SHOULD, "govshare.subject.hash", "keyed hash of each data subject's number, with key id", "数据主体标识哈希", multi=True),
    Field("subject.count", _K.INTEGER, _L.SHOULD, "govshare.subject.count", "number of data subjects", "数据主体数量"),
    Field("project.id", _K.KEYWORD, _L.JOINED, "govshare.project.id", "IT project that built the interface", "所属项目"),
    Field("project.phase", _K.ENUM, _L.JOINED, "govshare.project.phase", "phase of the project at the event's time", "项目阶段", values=PHASES),
    Field("network", _K.ENUM, _L.SHOULD, "govshare.network.name", "network the request came over", "网络", values=NETWORKS),
    Field("domain", _K.ENUM, _L.JOINED, "govshare.network.domain", "domain of the interface in the extranet", "网络域", values=DOMAINS),
    Field("auth.method", _K.KEYWORD, _L.SHOULD, "govshare.auth.method", "how the caller was authenticated", "认证方式"),
    Field("auth.credential", _K.KEYWORD, _L.SHOULD, "govshare.auth.credential", "id of the credential, never the secret", "凭据编号"),
    Field("http.method", _K.KEYWORD, _L.SHOULD, "http.request.method", "HTTP method", "HTTP 方法"),
    Field("http.status", _K.INTEGER, _L.SHOULD, "http.response.status_code", "HTTP status", "HTTP 状态码"),
    Field("url.path", _K.TEXT, _L.SHOULD, "url.path", "path of the request, query string removed", "请求路径"),
    Field("user_agent", _K.TEXT, _L.SHOULD, "user_agent.original", "user agent as sent", "用户代理"),
    Field("file.name", _K.TEXT, _L.SHOULD, "file.name", "name of an exchanged file", "文件名"),
    Field("file.size", _K.INTEGER, _L.SHOULD, "file.size", "size of an exchanged file in bytes", "文件大小"),
    Field("file.sha256", _K.KEYWORD, _L.SHOULD, "file.hash.sha256", "digest of an exchanged file, hex", "文件摘要"),
    Field("error.code", _K.KEYWORD, _L.SHOULD, "error.code", "code of the fault", "错误码"),
    Field("error.message", _K.TEXT, _L.SHOULD, "error.message", "text of the fault", "错误信息"),
    Field("verdict", _K.ENUM, _L.DERIVED, "govshare.decision.verdict", "combined result of the policies on the event", "判定结果", values=VERDICTS),
    Field("violations", _K.KEYWORD, _L.DERIVED, "rule.id", "ids of the policies violated", "违反的策略", multi=True),
    Field("quality", _K.KEYWORD, _L.DERIVED, "govshare.quality", "quality flags", "质量标记", multi=True),
    Field("ingested", _K.TIME, _L.DERIVED, "event.ingested", "when the ledger accepted the batch", "入账时间"),
    Field("source_id", _K.KEYWORD, _L.DERIVED, "govshare.source.id", "source whose credential delivered it", "日志来源"),
    Field("seq", _K.INTEGER, _L.DERIVED, "govshare.batch.seq", "leaf index of the batch in the log", "批次序号"),
    Field("record", _K.INTEGER, _L.DERIVED, "govshare.batch.record", "0-based record in the batch", "批内记录号"),
    Field("item", _K.INTEGER, _L.DERIVED, "govshare.batch.item", "0-based event in the record", "记录内序号"),
    Field("leaf_hash", _K.KEYWORD, _L.DERIVED, "event.hash", "leaf hash of the record under the events root, hex", "记录叶哈希"),
    Field("schema", _K.KEYWORD, _L.DERIVED, "govshare.schema", "version of this field catalogue", "字段目录版本"),
    Field("catalog_version", _K.KEYWORD, _L.DERIVED, "govshare.catalog_version", "digest of the catalogue that enriched it, hex, 16 digits", "资源目录版本"),
    Field("policy_version", _K.KEYWORD, _L.DERIVED, "govshare.policy_version", "digest of the policy set that judged it, hex, 16 digits", "策略集版本"),
)  # fmt: skip

BY_NAME: dict[str, Field] = {field.name: field for field in FIELDS}

INPUT_ONLY = {"subject.id": "plain numbers of the data subjects; replaced by their keyed hashes, never stored"}
"""Names that native JSON accepts but no event contains."""


def find_field(name: str) -> Field | None:
    """Return the field called ``name``, ``labels.<anything>`` being a keyword; None when there is no such field."""
    known = BY_NAME.get(name)
    if known is not None or not name.startswith(LABEL_PREFIX) or len(name) == len(LABEL_PREFIX):
        return known
    return Field(name, Kind.KEYWORD, Level.SHOULD, name, "free label", "自定义标签")


def get_field(name: str) -> Field:
    """Return the field called ``name``; raise ``InputError`` (``field_unknown``) when there is no such field."""
    field = find_field(name)
    if field is None:
        raise InputError(
            "field_unknown", f"unknown field `{name}`; docs/event-fields.md lists the known ones", field=name
        )
    return field
