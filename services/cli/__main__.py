"""Runs a command as a child of `tpp up`: `python -m services.cli COMMAND`, with the settings of TPP_*.

It ends at the end of standard input, so that no part outlives its parent.
"""

from services.cli.commands import main
from services.stream.signals import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    main(prog_name="tpp")
