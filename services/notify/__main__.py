"""Runs this part as a child of `tpp up`: `python -m services.notify`, with the settings of TPP_*."""

import sys

from services.notify.notifier import run
from services.stream.__main__ import run_part

if __name__ == "__main__":
    sys.exit(run_part(lambda chosen: run(chosen, None)))
