"""Restricted-party lists as they are published: their files read into entries, and two versions compared."""
