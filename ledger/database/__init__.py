"""The database: dialects, tables, migrations."""
