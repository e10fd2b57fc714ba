"""State: accounts and entries, the journal of what was decided, and the facts that decisions rest on."""
