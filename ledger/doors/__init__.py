"""What the doors keep beside the journal: who may come in, and what was sent to people."""
