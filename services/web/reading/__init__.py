"""What may be read of the ledger over HTTP: lists, accounts, shipments, the calendar, the stream."""
