"""Kafka: access, topics, offsets, the Faust application."""
