"""The HTTP interface: the third door to the engine, and what may be read of the ledger over HTTP."""
