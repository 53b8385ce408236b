"""The checks of a whole installation; they change nothing."""
