"""Gates that a house adds to the law."""
