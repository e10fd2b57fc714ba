"""Questions about restricted-party lists and the names of parties."""
