"""Alerts: groups of findings presented to a person, and what the person does about them."""
