"""What commands do to a ledger beside sending events: they close a period, they load a list."""
