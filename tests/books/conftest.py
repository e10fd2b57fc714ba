"""The books are tested with the events of the ledger's tests and with the command's."""

import sys
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path += [str(TESTS / "ledger"), str(TESTS / "cli")]
