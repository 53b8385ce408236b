"""Alerts: what a person is told of findings, and what the person does about it."""
