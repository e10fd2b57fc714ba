"""Holds counted and put side by side: how many of which kind, what stands beside one, what was proposed on each."""
