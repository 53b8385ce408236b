"""The event store in an Elasticsearch cluster."""
