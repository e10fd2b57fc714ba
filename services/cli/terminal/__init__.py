"""What every command of `tpp` shares: options, tables, progress, and the files that it writes."""
