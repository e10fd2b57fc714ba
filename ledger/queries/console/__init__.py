"""What the pages alone ask of the ledger: obligations in parts, what a text may mean, what is known of a party."""
