"""What names are compared with: restricted-party lists, what was cleared of them, and the names of owners."""
