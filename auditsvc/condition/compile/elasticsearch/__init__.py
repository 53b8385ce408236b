"""Conditions as Elasticsearch queries: a pipeline, from the condition at the top to JSON at the bottom.

Each module imports only modules below it in this list, and each function calls only functions below it in its module,
except for recursion over a tree:

- ``compiler``: compiles a condition, part by part, to its query and the residual for the Python reference
- ``text``: comparisons of text, and membership in named lists
- ``number``: comparisons of numbers, times, truth values and lengths
- ``address``: addresses in networks
- ``calendar``: instants in the hours of a calendar
- ``scope``: the context of compilation, and where a field has a value
- ``truth``: where a condition is true and where it is false, exactly or as a superset
- ``query``: the algebra of queries, and their JSON
- ``path``: where the index keeps each field
- ``regex``: RE2 expressions as patterns
- ``lucene``: patterns as Lucene regular expressions
- ``effort``: the work that a pattern causes on the server
- ``pattern``: patterns as trees of sets of characters
"""
