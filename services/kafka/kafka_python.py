"""What is not public of kafka-python and used here; `tests/broker/test_clients.py` says what a new version breaks."""

from services.kafka.headers import PatientBatch


def accept_any_header_name() -> None:
    """Lets kafka-python, in this process, read messages whose header names are not UTF-8."""
    import kafka.record.memory_records as records

    if not issubclass(records.DefaultRecordBatch, PatientBatch):
        records.DefaultRecordBatch = type("DefaultRecordBatch", (PatientBatch, records.DefaultRecordBatch), {})
