"""The parts of the stream."""
