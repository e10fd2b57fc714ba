"""The rulebooks: a module that lists gates and authorizations, and its dated values beside it."""
