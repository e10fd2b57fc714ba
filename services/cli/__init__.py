"""The `tpp` command."""
