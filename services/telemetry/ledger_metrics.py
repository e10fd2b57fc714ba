"""Metrics of the ledger's state, read when Prometheus asks: holds, quotas, obligations, notices, the last tick.

`tpp serve` alone exports them, so that sums over all parts count nothing twice.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ledger.database.store import Store
from ledger.doors.counts import set_aside
from ledger.queries.account_list import fullest
from ledger.queries.records import last_ticked
from ledger.queries.work_list import HoldAges, hold_ages, obligations_due

log = logging.getLogger("tpp.metrics")

KEPT_SECONDS = 10.0
"""How long figures are given again before they are read anew."""
SHARE = 20
"""Figures that took long to read are kept this many times as long, so that reading them never fills the database."""
PATIENCE_SECONDS = 5.0
"""How long Prometheus waits for figures that are being read."""
ACCOUNTS = 100

_AGES = ("0-1d", "1-7d", "7-30d", "30d+")


@dataclass(frozen=True, slots=True)
class LedgerFigures:
    """The state of a ledger: holds by code and by age in days, use of accounts in millionths, open obligations.

    `obligations`: `overdue`, `due` today and `soon`, within a week. `set_aside`: notices by receiver. `ticked`: the
    instant of the last tick in microseconds; None before the first.
    """

    holds: HoldAges
    used: Mapping[str, int]
    obligations: Mapping[str, int]
    set_aside: Mapping[str, int]
    ticked: int | None


def read_figures(store: Store, now: int) -> LedgerFigures:
    """The figures of a ledger, with ages as of an instant in microseconds; one moment of it."""
    with store.read() as connection:
        return LedgerFigures(
            hold_ages(connection, now),
            fullest(connection, ACCOUNTS),
            obligations_due(connection, now),
            set_aside(connection),
            last_ticked(connection),
        )


class LedgerCollector(Collector):
    """Reads figures for Prometheus, in a thread of its own and not more often than they are needed."""

    def __init__(self, read: Callable[[], LedgerFigures]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._reading: threading.Thread | None = None
        self._figures: LedgerFigures | None = None
        self._until = 0.0

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry need not read the ledger to know the names."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The metrics; without those of the ledger where it cannot be read in time."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._refresh()
            fresh = time.monotonic() < self._until
            figures = self._figures if fresh else None
        yield GaugeMetricFamily(
            "tpp_ledger_readable", "Whether the figures of the ledger's state could be read", float(figures is not None)
        )
        if figures is not None:
            yield from _metrics(figures)

    def _refresh(self) -> None:
        if self._reading is None or not self._reading.is_alive():
            self._reading = threading.Thread(target=self._get, name="figures", daemon=True)
            self._reading.start()
        self._reading.join(PATIENCE_SECONDS)

    def _get(self) -> None:
        began = time.monotonic()
        try:
            self._figures = self._read()
        except Exception as error:  # noqa: BLE001  however it fails, the other metrics are served
            log.warning("cannot read the ledger for its metrics: %r", error)
        else:
            now = time.monotonic()
            self._until = now + max(KEPT_SECONDS, SHARE * (now - began))


def _metrics(figures: LedgerFigures) -> Iterable[Metric]:
    holds = GaugeMetricFamily(
        "tpp_holds_open", "Held shipments, by the days for which they have waited; each counts once", labels=["age"]
    )
    for at, age in enumerate(_AGES):
        holds.add_metric([age], figures.holds.all[at])
    yield holds
    reasons = GaugeMetricFamily(
        "tpp_hold_reasons_open",
        "Held shipments, by reason code and age; one with several codes counts under each",
        labels=["code", "age"],
    )
    for code, counts in sorted(figures.holds.by_code.items()):
        for at, age in enumerate(_AGES):
            reasons.add_metric([code, age], counts[at])
    yield reasons
    used = GaugeMetricFamily(
        "tpp_quota_used_ratio", f"Balance by limit, of the {ACCOUNTS} fullest accounts", labels=["account"]
    )
    for account, millionths in figures.used.items():
        used.add_metric([account], millionths / 1_000_000)
    yield used
    obligations = GaugeMetricFamily(
        "tpp_obligations_open",
        "Open obligations that are overdue, due on the ledger's day, or due soon, within 7 days",
        labels=["state"],
    )
    for state, count in figures.obligations.items():
        obligations.add_metric([state], count)
    yield obligations
    notices = GaugeMetricFamily(
        "tpp_notices_set_aside", "Notices that a receiver has not taken and that were set aside", labels=["receiver"]
    )
    for receiver, count in figures.set_aside.items():
        notices.add_metric([receiver], count)
    yield notices
    if figures.ticked is not None:
        yield GaugeMetricFamily(
            "tpp_last_tick_timestamp_seconds", "Time of the ledger's last tick", figures.ticked / 1_000_000
        )
