"""Recorded events decided anew."""
