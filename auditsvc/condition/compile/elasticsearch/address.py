"""Addresses in networks as Elasticsearch queries."""

from ipaddress import IPv6Address

from auditsvc.condition.ast import Compare
from auditsvc.condition.compile.elasticsearch.path import index_path
from auditsvc.condition.compile.elasticsearch.query import Both, Either, HasValue, Query, Within, Without
from auditsvc.condition.compile.elasticsearch.truth import TruthQueries, decide
from auditsvc.condition.match import MAPPED_FIRST, MAPPED_LAST, parse_network


def compile_networks(node: Compare) -> TruthQueries:
    """Return where an address is inside at least one of some networks, and where it is outside all of them."""
    path = index_path(node.field)
    return decide(HasValue(path), Either([_find_network(path, str(value)) for value in node.values]))


def _find_network(path: str, text: str) -> Query:
    """Return where an address is inside a network; an IPv6 network never contains an IPv4 address."""
    network = parse_network(text)
    inside = _find_between(path, network.first, network.last)
    if network.is_v4 or network.last < MAPPED_FIRST or network.first > MAPPED_LAST:
        return inside
    return Both([inside, Without(_find_between(path, MAPPED_FIRST, MAPPED_LAST))])


def _find_between(path: str, first: int, last: int) -> Query:
    """Return where an address is between two others, both inclusive."""
    return Within(path, gte=str(IPv6Address(first)), lte=str(IPv6Address(last)))
