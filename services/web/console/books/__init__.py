"""The pages of finance: periods, and statements of other systems."""
