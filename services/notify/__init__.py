"""Tells people and their programs what the ledger has given out: webhooks, mail and chat."""
