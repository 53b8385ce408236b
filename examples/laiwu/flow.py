"""What flows over each interface in ordinary times: how much, when, by whom, with which actions and sizes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flow:
    """The ordinary accesses of one interface.

    Attributes:
        interface: id in the catalogue.
        weight: share of the city's accesses, relative to the other flows.
        profile: a profile of :mod:`examples.laiwu.rhythm`.
        actions: action to its relative weight.
        levels: levels of the organisations that use it; empty: those with an agreement for its resources.
        rows: fewest and most rows of one access.
        median_ms: half of the accesses are answered within this time.
        internet: share that comes over the Internet; only for interfaces of the public service domain.
    """

    interface: str
    weight: float
    profile: str
    actions: tuple[tuple[str, int], ...]
    levels: tuple[str, ...] = ()
    rows: tuple[int, int] = (1, 1)
    median_ms: int = 60
    internet: float = 0.0


_QUERY = (("query", 1),)
_GOV = ("city", "district", "town")
_ALL = ("city", "district", "town", "enterprise")

FLOWS = (
    Flow("pop-query", 9, "office", _QUERY, rows=(1, 5), median_ms=80),
    Flow("pop-verify", 14, "public", (("verify", 1),), median_ms=45),
    Flow("pop-batch", 0.3, "strict", (("download", 1),), rows=(200, 4500), median_ms=900),
    Flow("legal-query", 8, "office", (("query", 9), ("list", 1)), _GOV, (1, 20), 70),
    Flow("legal-equity", 2, "office", _QUERY, rows=(1, 60), median_ms=120),
    Flow("geo-map", 9, "public", _QUERY, _ALL, (1, 16), 35, 0.3),
    Flow("geo-pipeline", 0.3, "strict", (("download", 1),), rows=(100, 15_000), median_ms=1_200),
    Flow("geo-realty", 3, "office", _QUERY, rows=(1, 8), median_ms=110),
    Flow("macro-query", 1.2, "office", (("query", 4), ("list", 1)), _GOV, (5, 120), 90),
    Flow("macro-enterprise", 0.2, "strict", (("download", 1),), rows=(100, 1_800), median_ms=700),
    Flow("licence-query", 7, "public", (("query", 3), ("verify", 2)), rows=(1, 3), median_ms=150),
    Flow("licence-index", 1, "office", (("list", 1),), _GOV, (5, 50), 60, 0.2),
    Flow("catalog-search", 2, "office", (("list", 3), ("query", 2)), _GOV, (0, 40), 50),
    Flow("catalog-subscribe", 0.2, "office", (("subscribe", 1),), _GOV, (1, 1), 80),
    Flow("exchange-job", 2.5, "night", (("exchange", 1),), _GOV, (100, 50_000), 20_000),
    Flow("relief-query", 1.5, "office", _QUERY, rows=(1, 12), median_ms=100),
    Flow("service-case", 4, "office", (("query", 4), ("update", 1)), rows=(1, 10), median_ms=90),
    Flow("service-apply", 7, "public", (("create", 2), ("query", 3)), _ALL, (1, 1), 180, 0.85),
    Flow("service-site", 11, "public", _QUERY, _ALL, (1, 1), 25, 0.9),
    Flow("collab-task", 3, "office", (("create", 1), ("update", 2), ("query", 3)), _GOV, (1, 10), 70),
    Flow(
        "cloud-console", 1.5, "office", (("login", 2), ("update", 1), ("query", 3)), ("city", "district"), (1, 30), 200
    ),
    Flow("cloud-backup", 0.6, "night", (("exchange", 1),), ("city", "district", "province"), (1, 1), 45_000),
    Flow("cloud-metric", 1, "office", _QUERY, ("city", "district"), (10, 200), 60),
    Flow("net-access", 4, "office", (("login", 1),), _GOV, (1, 1), 30),
    Flow("net-legacy-line", 0.1, "office", (("login", 1),), ("city",), (1, 1), 40),
    Flow("net-internet-exit", 4, "office", _QUERY, ("city", "district"), (1, 1), 20),
    Flow("security-gateway", 2, "round", (("push", 1),), ("city",), (1, 500), 15),
    Flow("doc-exchange", 2, "office", (("exchange", 3), ("query", 2)), rows=(1, 1), median_ms=220),
    Flow("emergency-report", 0.6, "round", (("push", 2), ("query", 1)), rows=(1, 5), median_ms=90),
    Flow("emergency-resource", 0.2, "office", _QUERY, rows=(1, 50), median_ms=90),
    Flow("intranet-border", 1, "office", (("exchange", 1),), ("city", "district", "province"), (1, 1), 300),
    Flow("bigdata-collect", 4, "round", (("push", 1),), _GOV, (10, 5_000), 250),
    Flow("bigdata-job", 2, "night", (("exchange", 1),), ("city",), (100, 90_000), 30_000),
    Flow("bigdata-warning", 0.7, "round", (("push", 1),), ("city", "district"), (1, 20), 40),
    Flow("bigdata-dashboard", 1, "office", (("query", 5), ("download", 1)), ("city", "district"), (10, 400), 140),
    Flow("credit-public", 2, "public", _QUERY, _ALL, (1, 20), 60, 0.5),
    Flow("credit-rating", 1.5, "office", _QUERY, rows=(1, 40), median_ms=90),
    Flow("sme-api", 4, "public", (("query", 4), ("download", 1)), ("enterprise",), (1, 500), 110, 1.0),
    Flow("insurance-status", 3, "office", _QUERY, rows=(1, 1), median_ms=160),
    Flow("tax-status", 3, "office", _QUERY, rows=(1, 1), median_ms=190),
    Flow("social-org", 0.7, "office", _QUERY, _GOV, (1, 1), 120),
    Flow("bus-list-methods", 0.2, "office", (("list", 1),), ("city",), (1, 1), 20),
    Flow("open-portal", 5, "public", _QUERY, median_ms=15, internet=1.0),
    Flow("open-dataset", 6, "public", _QUERY, median_ms=40, internet=1.0),
    Flow("open-file", 1.5, "public", (("download", 1),), median_ms=300, internet=1.0),
)
"""``decision-theme`` has none: it was promised, has heartbeats, and nobody uses it. The interfaces of resources that are
not shared have none either."""
