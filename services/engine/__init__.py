"""The one engine behind every door."""
