"""The event store: an index of judged events, rebuilt from the archive whenever it is in doubt."""
