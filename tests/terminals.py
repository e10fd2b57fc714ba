"""Pseudo-terminals of which a test reads what a command writes on them."""

import os


def told_on(master: int) -> bytes:
    """Everything that is written on a terminal, read at its other end until nobody has it open any more."""
    told = b""
    try:
        while piece := os.read(master, 1 << 16):
            told += piece
    except OSError:
        pass
    return told
