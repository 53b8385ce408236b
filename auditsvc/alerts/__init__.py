"""Alerts: findings brought to people's attention, and how people handle them."""
