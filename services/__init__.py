"""What runs: one engine, and the doors to it."""
