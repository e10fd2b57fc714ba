"""What people read, the same at every door."""
