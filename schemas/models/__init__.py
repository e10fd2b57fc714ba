"""The values, parts and events of the wire, as pydantic models."""
