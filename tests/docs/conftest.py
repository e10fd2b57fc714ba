"""Tests of README that start a broker."""

from brokers import java_there

__all__ = ["java_there"]
