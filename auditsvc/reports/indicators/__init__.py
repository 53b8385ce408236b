"""Indicators of the performance audit of projects: pure functions over aggregates and the catalogue."""
