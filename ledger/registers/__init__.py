"""What a transaction changes, each register its own rows."""
