"""Facts that decisions rest on: each is recorded, moves what it must, and is answered by a record."""

from collections.abc import Sequence
from datetime import date

from ledger.registers.accounts import Entry
from ledger.registers.facts import ALL
from ledger.registers.limits import limit_value
from schemas import accounts
from schemas.models.facts import (
    AdjustmentMade,
    AllocationSet,
    AttritionReported,
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
from schemas.models.incoming import Certification
from schemas.plan import License, Share
from schemas.wire.read import Event
from services.engine.alerts import raise_alerts, replenish
from services.engine.answers import RECORDED, Out
from services.engine.context import Refused, Turn
from services.engine.decision import told


def party_registered(turn: Turn, event: Event, out: Out) -> None:
    """A party's standing facts from a day on."""
    data: PartyRegistered = event.data  # type: ignore[assignment]
    facts = turn.journal.facts
    facts.add("party", data.id, data)
    if any(facts.of("veu", key) for key in facts.group(data.id)):
        facts.note_owner(data.id, data.owner, data)
    _recorded(turn, event, out)


def party_merged(turn: Turn, event: Event, out: Out) -> None:
    """Two identifiers of one party: the absorbed one's accounts move to the survivor's."""
    data: PartyMerged = event.data  # type: ignore[assignment]
    facts = turn.journal.facts
    survivor = facts.survivors.get(data.survivor, data.survivor)
    absorbed = facts.survivors.get(data.absorbed, data.absorbed)
    entries: list[Entry] = []
    if data.absorbed == survivor:
        raise Refused("/data/survivor", "party.same", f"{data.survivor} was already merged into {data.absorbed}")
    if survivor != absorbed:
        entries = turn.journal.merge(absorbed, survivor)
        facts.absorb(absorbed, survivor, data)
    _recorded(turn, event, out, entries)


def certification_received(turn: Turn, event: Event, out: Out) -> None:
    """A standing statement, certification or notification."""
    data: Certification = event.data  # type: ignore[assignment]
    if data.of_designer:
        turn.journal.facts.add("designer", ALL, data)
    else:
        turn.journal.facts.add("certification", data.party, data)
    opened = turn.book.notice_account(data)
    if opened is not None:
        turn.journal.facts.add("notice", data.reference, data)
        turn.journal.set_limit(*opened)
    answer = _recorded(turn, event, out)
    if opened is not None:
        replenish(turn, out, opened[0], answer)


def license_issued(turn: Turn, event: Event, out: Out) -> None:
    """A licence or its amendment: its account, and its TPP committed on the country, even over the limit."""
    data: LicenseIssued = event.data  # type: ignore[assignment]
    journal = turn.journal
    before = journal.facts.license(data.number)
    terms = turn.book.terms(data, data.country)
    path = terms.allocation
    kept = before is not None and turn.book.terms(before.issued, before.issued.country).allocation == path
    entries = _given_back(turn, before) if before and not kept else []
    old = _committed(turn, before) if before and kept else 0
    more = _committed(turn, License(data)) - old
    if path is not None and more > 0:
        entries.append(journal.commit(path, more, _known(turn, path, data.valid_from)))
    elif path is not None and more < 0:
        entries.append(journal.void(path, -more, None))
    journal.facts.add("license", data.number, data)
    journal.facts.add("licenses", data.exporter, data)
    journal.set_limit(terms.account, data.tpp)
    answer = _recorded(turn, event, out, entries)
    replenish(turn, out, terms.account, answer)


def license_revoked(turn: Turn, event: Event, out: Out) -> None:
    """Closes a licence from a day on; what was not shipped goes back to the country's allocation."""
    data: LicenseRevoked = event.data  # type: ignore[assignment]
    license = turn.journal.facts.license(data.number)
    if license is None:
        raise Refused("/data/number", "license.unknown", f"no licence {data.number} was issued")
    entries = _given_back(turn, license)
    turn.journal.facts.add("revoked", data.number, data)
    _recorded(turn, event, out, entries)


def _committed(turn: Turn, license: License) -> int:
    """What a licence still holds of its country's allocation: its TPP less what was dispatched, 0 once revoked."""
    if license.revoked is not None:
        return 0
    account = turn.journal.find(turn.book.terms(license.issued, license.issued.country).account)
    return max(0, license.issued.tpp - (account.posted if account else 0))


def _given_back(turn: Turn, license: License) -> list[Entry]:
    path = turn.book.terms(license.issued, license.issued.country).allocation
    amount = min(_committed(turn, license), max(0, turn.journal.balance(path))) if path is not None else 0
    return [turn.journal.void(path, amount, None)] if path is not None and amount else []


def veu_changed(turn: Turn, event: Event, out: Out) -> None:
    """A validated end-user's authorization, or the end of one."""
    data: VeuAuthorized | VeuRevoked = event.data  # type: ignore[assignment]
    if isinstance(data, VeuRevoked) and not any(
        made.program == data.program and made.country == data.country
        for _, made in turn.journal.facts.of("veu", data.holder)
    ):
        raise Refused("/data/holder", "veu.unknown", f"{data.holder} has no such {data.program} authorization")
    facts = turn.journal.facts
    facts.add("veu", data.holder, data)
    if isinstance(data, VeuAuthorized):
        registered = [made.owner for key in facts.group(data.holder) for _, made in facts.of("party", key)]
        for owner in dict.fromkeys([data.owner or data.holder, *registered]):
            facts.note_owner(data.holder, owner, data)
    _recorded(turn, event, out)


def allocation_set(turn: Turn, event: Event, out: Out) -> None:
    """An account's limit from a day on; a lower one than the balance blocks, and voids nothing."""
    data: AllocationSet = event.data  # type: ignore[assignment]
    _has_account(turn, data.account, data.valid_from)
    barred = turn.book.barred_limit(data.account, data.limit, data.valid_from)
    if barred is not None:
        code, message = barred
        raise Refused("/data/limit" if code == "limit.above_law" else "/data/account", code, message)
    path = turn.journal.path(data.account)
    old = _known(turn, path, data.valid_from)
    turn.journal.facts.set_limit(data)
    known = _known(turn, path, data.valid_from)
    account = turn.journal.set_limit(path, data.limit if known is None else known)
    answer = _recorded(turn, event, out)
    if old is None or data.limit > old:
        replenish(turn, out, account.path, answer)


def threshold_set(turn: Turn, event: Event, out: Out) -> None:
    """Where alerts are raised from now on."""
    data: ThresholdSet = event.data  # type: ignore[assignment]
    turn.journal.facts.add("threshold", ALL, data)
    _recorded(turn, event, out)


def usage_attested(turn: Turn, event: Event, out: Out) -> None:
    """Use that this ledger did not see; takes the place of the same party's earlier attestation on the account."""
    data: UsageAttested = event.data  # type: ignore[assignment]
    journal = turn.journal
    _has_account(turn, data.account, data.as_of)
    lower = journal.facts.attested(journal.path(data.account), data.by) - data.tpp
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
    there = turn.journal.balance(path) if accounts.committed(path) else turn.journal.there(path)
    if fall > max(0, there):
        message = f"{fall:,} TPP would come off {path}, which has {there:,}"
        raise Refused(pointer, "balance.negative", message)


def _has_account(turn: Turn, path: str, day: date) -> None:
    """Refuses what is stated of a country that has no allocation: of Supplement No. 5(a), D:5 and Macau."""
    if barred := turn.book.barred_account(path, day):
        raise Refused("/data/account", "account.invalid", barred)


def match_cleared(turn: Turn, event: Event, out: Out) -> None:
    """This party is not that listed one."""
    data: MatchCleared = event.data  # type: ignore[assignment]
    turn.journal.facts.add("cleared", data.party, data)
    _recorded(turn, event, out)


def obligation_met(turn: Turn, event: Event, out: Out) -> None:
    """What was owed has been sent."""
    data: ObligationMet = event.data  # type: ignore[assignment]
    subject = f"shipment/{data.shipment_id}" if data.shipment_id else f"party/{data.party}"
    journal = turn.journal
    once = journal.shipments.meet(subject, data.kind, data.due)
    if once is None:
        raise Refused(
            "/data/kind",
            "obligation.unknown",
            f"no {data.kind} due on {data.due} is owed for {subject.replace('/', ' ')}",
        )
    for key in once:
        journal.facts.add("met", f"{data.kind}/{key}", data)
    if once:
        journal.shipments.end_met(data.kind, lambda key: bool(journal.facts.of("met", f"{data.kind}/{key}")))
    _recorded(turn, event, out)


def _known(turn: Turn, path: str, day: date) -> int | None:
    """The limit that an account has on a day, whether or not it is tested; a share at the balances of now."""
    limit = turn.journal.limit(path, day, turn.book.limit(turn.journal.path(path), day))
    if isinstance(limit, Share):
        return limit_value(limit, {limit.of: turn.journal.balance(limit.of)})
    return limit


def _recorded(turn: Turn, event: Event, out: Out, entries: Sequence[Entry] = ()) -> str:
    data = {"causation": out.causation, "entries": told(entries)}
    shipment = getattr(event.data, "shipment_id", None)
    answer = out.add(RECORDED, shipment or event.subject, ({"shipment_id": shipment} if shipment else {}) | data)
    raise_alerts(turn, out, entries, answer)
    return answer
