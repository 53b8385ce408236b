"""Conditions as queries of the stores, each equivalent to :mod:`auditsvc.condition.evaluate` or a superset of it.

:func:`~auditsvc.condition.compile.elasticsearch.compiler.split_for_elastic` and
:func:`~auditsvc.condition.compile.duckdb.split_for_duckdb` are the entry points; the part that a query cannot decide is
returned as a condition (:mod:`~auditsvc.condition.compile.residual`).
"""
