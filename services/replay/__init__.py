"""Decides recorded events again."""
