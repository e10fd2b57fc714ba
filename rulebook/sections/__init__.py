"""The sections of the Code of Federal Regulations: one file for a section, one function for a paragraph."""
