"""What watches the engine of a part: metrics always, traces and a log of events where they are asked for."""

from services.engine.context import Observer
from services.telemetry.health import Health
from services.telemetry.logs import is_json
from services.telemetry.metrics import EngineMetrics
from services.telemetry.traces import EngineTraces, EventLog, tracing


def observer(health: Health) -> Observer:
    """The observer of the engine of the part of which `health` is."""
    traces = tracing()
    watching: list[Observer] = [] if traces is None else [EngineTraces(traces)]
    return EngineMetrics(health, [*watching, EventLog()] if is_json() else watching)
