"""Facts that decisions rest on: each is recorded, moves what it must, and is answered by a record."""

from collections.abc import Sequence
from datetime import date

from ledger.registers.accounts import Entry
from ledger.registers.facts import ALL
from ledger.registers.limits import limit_value
from schemas import accounts
from schemas.codes import FactKind
from schemas.models.incoming import (
    AdjustmentMade,
    AllocationSet,
    AttritionReported,
    Certification,
    LicenseIssued,
    LicenseRevoked,
    MatchCleared,
    ObligationMet,
    PartyMerged,
    PartyRegistered,
    ThresholdSet,
    UsageAttested,
    VeuAuthorized,
    VeuRevoked,
)
from schemas.plan import License, Share
from schemas.wire.read import Event
from services.engine.alerts import raise_alerts, replenish
from services.engine.answers import RECORDED, Out
from services.engine.context import Refused, Turn
from services.engine.decision import told


def party_registered(turn: Turn, event: Event, out: Out) -> None:
    """A party's standing facts from a day on."""
    data: PartyRegistered = event.data  # type: ignore[assignment]
    turn.journal.facts.add(FactKind.PARTY, data.id, data)
    _recorded(turn, event, out)


def party_merged(turn: Turn, event: Event, out: Out) -> None:
    """Two identifiers of one party: the absorbed one's accounts move to the survivor's."""
    data: PartyMerged = event.data  # type: ignore[assignment]
    parties = turn.journal.parties
    survivor, absorbed = parties.survivor(data.survivor), parties.survivor(data.absorbed)
    entries: list[Entry] = []
    if data.absorbed == survivor:
        raise Refused("/data/survivor", "party.same", f"{data.survivor} was already merged into {data.absorbed}")
    if survivor != absorbed:
        entries = turn.journal.merge(absorbed, survivor, data)
    _recorded(turn, event, out, entries)


def certification_received(turn: Turn, event: Event, out: Out) -> None:
    """A standing statement, certification or notification."""
    data: Certification = event.data  # type: ignore[assignment]
    if data.kind == "authorized_ic_designer":
        turn.journal.facts.add(FactKind.DESIGNER, ALL, data)
    else:
        turn.journal.facts.add(FactKind.CERTIFICATION, data.party, data)
    _recorded(turn, event, out)


def license_issued(turn: Turn, event: Event, out: Out) -> None:
    """A licence or its amendment: its account, and its TPP committed on the country, even over the limit."""
    data: LicenseIssued = event.data  # type: ignore[assignment]
    journal = turn.journal
    before = journal.facts.license(data.number)
    entries = _given_back(turn, before) if before and before.issued.country != data.country else []
    old = _committed(turn, before) if before and before.issued.country == data.country else 0
    new = License(data)
    path = _allocation(turn, new)
    more = _committed(turn, new) - old
    if path is not None and more > 0:
        entries.append(journal.commit(path, more, _known(turn, path, data.valid_from)))
    elif path is not None and more < 0:
        entries.append(journal.void(path, -more, None))
    journal.facts.add(FactKind.LICENSE, data.number, data)
    journal.facts.add(FactKind.LICENSES, data.exporter, data)
    own = accounts.license(data.number)
    journal.accounts.set_limit(own, data.tpp)
    answer = _recorded(turn, event, out, entries)
    replenish(turn, out, own, answer)


def license_revoked(turn: Turn, event: Event, out: Out) -> None:
    """Closes a licence from a day on; what was not shipped goes back to the country's allocation."""
    data: LicenseRevoked = event.data  # type: ignore[assignment]
    license = turn.journal.facts.license(data.number)
    if license is None:
        raise Refused("/data/number", "license.unknown", f"no licence {data.number} was issued")
    entries = _given_back(turn, license)
    turn.journal.facts.add(FactKind.REVOKED, data.number, data)
    _recorded(turn, event, out, entries)


def _committed(turn: Turn, license: License) -> int:
    """What a licence still holds of its country's allocation: its TPP less what was dispatched, 0 once revoked."""
    if license.revoked is not None:
        return 0
    account = turn.journal.accounts.find(accounts.license(license.issued.number))
    return max(0, license.issued.tpp - (account.posted if account else 0))


def _allocation(turn: Turn, license: License) -> str | None:
    path = accounts.country(license.issued.country)
    return path if turn.book.limit(path, license.issued.valid_from) is not None else None


def _given_back(turn: Turn, license: License) -> list[Entry]:
    path = _allocation(turn, license)
    amount = min(_committed(turn, license), max(0, turn.journal.accounts.balance(path))) if path is not None else 0
    return [turn.journal.void(path, amount, None)] if path is not None and amount else []


def veu_changed(turn: Turn, event: Event, out: Out) -> None:
    """A validated end-user's authorization, or the end of one."""
    data: VeuAuthorized | VeuRevoked = event.data  # type: ignore[assignment]
    if isinstance(data, VeuRevoked) and not any(
        fact.data.program == data.program and fact.data.country == data.country
        for fact in turn.journal.facts.of(FactKind.VEU, data.holder)
    ):
        raise Refused("/data/holder", "veu.unknown", f"{data.holder} has no such {data.program} authorization")
    turn.journal.facts.add(FactKind.VEU, data.holder, data)
    _recorded(turn, event, out)


def allocation_set(turn: Turn, event: Event, out: Out) -> None:
    """An account's limit from a day on; a lower one than the balance blocks, and voids nothing."""
    data: AllocationSet = event.data  # type: ignore[assignment]
    _has_account(turn, data.account, data.valid_from)
    before = turn.journal.accounts.find(data.account)
    old = before.limit if before else None
    account = turn.journal.set_limit(data)
    answer = _recorded(turn, event, out)
    if old is None or data.limit > old:
        replenish(turn, out, account.path, answer)


def threshold_set(turn: Turn, event: Event, out: Out) -> None:
    """Where alerts are raised from now on."""
    data: ThresholdSet = event.data  # type: ignore[assignment]
    turn.journal.limits.set_thresholds(data)
    _recorded(turn, event, out)


def usage_attested(turn: Turn, event: Event, out: Out) -> None:
    """Use that this ledger did not see; takes the place of the same party's earlier attestation on the account."""
    data: UsageAttested = event.data  # type: ignore[assignment]
    journal = turn.journal
    _has_account(turn, data.account, data.as_of)
    lower = journal.attestations.find(journal.accounts.path(data.account), data.by) - data.tpp
    _not_below_zero(turn, data.account, lower, "/data/tpp")
    known = _known(turn, data.account, data.as_of)
    _recorded(turn, event, out, [journal.attest(data.account, data.tpp, data.by, known)])


def attrition_reported(turn: Turn, event: Event, out: Out) -> None:
    """Items that no longer count towards an allocation (748.15(a)(2)(iii)(B))."""
    data: AttritionReported = event.data  # type: ignore[assignment]
    _has_account(turn, data.account, data.date)
    _not_below_zero(turn, data.account, data.tpp, "/data/tpp")
    known = _known(turn, data.account, data.date)
    _recorded(turn, event, out, [turn.journal.credit(data.account, data.tpp, None, known)])


def adjustment_made(turn: Turn, event: Event, out: Out) -> None:
    """A correction by hand, by two reviewers."""
    data: AdjustmentMade = event.data  # type: ignore[assignment]
    day = event.happened.date()
    _has_account(turn, data.account, day)
    _not_below_zero(turn, data.account, -data.amount, "/data/amount")
    known = _known(turn, data.account, day)
    _recorded(turn, event, out, [turn.journal.adjust(data.account, data.amount, known)])


def _not_below_zero(turn: Turn, path: str, fall: int, pointer: str) -> None:
    """Refuses a credit, an adjustment or a lower attestation of more than there is: it would make room for new debits.

    What is pending does not count, since a void may still give it back; on a country licences commit it.
    """
    family = path.partition("/")[0]
    ledger = turn.journal.accounts
    most = ledger.balance(path) if family == "country" else ledger.removable(path)
    if fall > max(0, most):
        message = f"{fall:,} TPP would come off {path}, which has {most:,}"
        raise Refused(pointer, "balance.negative", message)


def _has_account(turn: Turn, path: str, day: date) -> None:
    """Refuses what is stated of a country that has no allocation: of Supplement No. 5(a), D:5 and Macau."""
    account = accounts.read(path)
    if account is None or account.family != "country":
        return
    within = min(day, date(int(accounts.ALLOCATION_PERIOD[-4:]), 12, 31))
    if turn.book.limit(path, within) is None:
        raise Refused(
            "/data/account", "account.invalid", f"{account.country} has no allocation under 742.6(b)(10)(iii)(B)"
        )


def match_cleared(turn: Turn, event: Event, out: Out) -> None:
    """This party is not that listed one."""
    data: MatchCleared = event.data  # type: ignore[assignment]
    turn.journal.facts.add(FactKind.CLEARED, data.party, data)
    _recorded(turn, event, out)


def obligation_met(turn: Turn, event: Event, out: Out) -> None:
    """What was owed has been sent."""
    data: ObligationMet = event.data  # type: ignore[assignment]
    subject = f"shipment/{data.shipment_id}" if data.shipment_id else f"party/{data.party}"
    if not turn.journal.obligations.meet(subject, data.kind, data.due):
        raise Refused(
            "/data/kind",
            "obligation.unknown",
            f"no {data.kind} due on {data.due} is owed for {subject.replace('/', ' ')}",
        )
    _recorded(turn, event, out)


def _known(turn: Turn, path: str, day: date) -> int | None:
    """The limit that an account has on a day, whether or not it is tested; a share at the balances of now."""
    limit = turn.journal.limits.in_force(path, day, turn.book.limit(turn.journal.accounts.path(path), day))
    if isinstance(limit, Share):
        return limit_value(limit, {limit.of: turn.journal.accounts.balance(limit.of)})
    return limit


def _recorded(turn: Turn, event: Event, out: Out, entries: Sequence[Entry] = ()) -> str:
    data = {"causation": out.causation, "entries": told(entries)}
    shipment = getattr(event.data, "shipment_id", None)
    answer = out.add(RECORDED, shipment or event.subject, ({"shipment_id": shipment} if shipment else {}) | data)
    raise_alerts(turn, out, entries, answer)
    return answer
