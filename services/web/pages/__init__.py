"""The pages for people: signing in and out, and sessions."""
