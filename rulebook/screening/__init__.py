"""The order in which a book is applied to a case."""
