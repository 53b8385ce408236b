"""Conditions as queries of the stores, each exactly what :mod:`auditsvc.condition.evaluate` says or a superset of it.

:func:`~auditsvc.condition.compile.elasticsearch.compiler.split_for_elastic` and
:func:`~auditsvc.condition.compile.duckdb.split_for_duckdb` are the entries; what a query leaves undecided they return as
a condition (:mod:`~auditsvc.condition.compile.residual`).
"""
