"""Text and tables for people, the same in the command line and on the web."""
