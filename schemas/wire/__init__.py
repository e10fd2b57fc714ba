"""Bytes to an event, or to a rejection with every error and its pointer."""
