"""Facts that decisions rest on: each is recorded, may change balances, and is answered by a record."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from ledger.registers.accounts import Entry
from ledger.registers.facts import ALL
from ledger.registers.limits import limit_value
from schemas import accounts
from schemas.codes import ReasonCode, RejectionCode
from schemas.event_types import EVENT_RECORDED
from schemas.kinds import FactKind
from schemas.models.facts import (
    AdjustmentMade,
    AdjustmentProposed,
    AllocationSet,
    AttritionReported,
    LicenseIssued,
    LicenseRevoked,
    MatchCleared,
    ObligationMet,
    PartyMerged,
    PartyRegistered,
    PolicySet,
    ThresholdSet,
    UsageAttested,
    VeuAuthorized,
    VeuRevoked,
)
from schemas.models.parts import Certification
from schemas.plan import License, Share
from schemas.wire.read import Event
from services.engine.alerts import raise_alerts, replenish
from services.engine.answers import Answers
from services.engine.context import DecisionContext, HandledEvent
from services.engine.decision import entries_to_json
from services.engine.handlers.proposals import check_adjustment, note_proposed
from services.engine.judgement import met_once
from services.engine.message import EventRejected, Refusal
from services.engine.parties.clearing import clear
from services.engine.parties.namesakes import note_registered
from services.engine.parties.registered import alert_hits, new_hits


def party_registered(context: DecisionContext, event: Event[PartyRegistered]) -> HandledEvent:
    """A party's standing facts from a day on; what it resembles in a list, and its last registration did not."""
    answers = context.answer(event)
    found = new_hits(context, event.data, event.happened.date())
    context.journal.facts.add(FactKind.PARTY, event.data.id, event.data)
    context.journal.parties.holders.register(event.data)
    note_registered(context, event.data)
    _record(context, answers, event)
    alert_hits(answers, found)
    return HandledEvent(answers)


def party_merged(context: DecisionContext, event: Event[PartyMerged]) -> HandledEvent:
    """Two identifiers of one party: the absorbed one's accounts move to the survivor's."""
    data, parties = event.data, context.journal.parties
    survivor, absorbed = parties.survivor(data.survivor), parties.survivor(data.absorbed)
    if data.absorbed == survivor:
        message = f"{data.survivor} was already merged into {data.absorbed}."
        raise Refusal(ReasonCode.PARTY_SAME, message, survivor=data.survivor, absorbed=data.absorbed)
    entries = context.journal.merge(absorbed, survivor, data) if survivor != absorbed else []
    context.journal.obligations.end_met(None, lambda kind, key: met_once(context, kind, key))
    return _recorded(context, event, entries)


def certification_received(context: DecisionContext, event: Event[Certification]) -> HandledEvent:
    """A standing statement, certification or notification."""
    data, journal, answers = event.data, context.journal, context.answer(event)
    if data.of_designer:
        journal.facts.add(FactKind.DESIGNER, ALL, data)
    else:
        journal.facts.add(FactKind.CERTIFICATION, data.party, data)
    opened = context.book.notice_account(data)
    if opened is None:
        _record(context, answers, event)
        return HandledEvent(answers)
    account, limit = opened
    journal.facts.add(FactKind.NOTICE, data.reference, data)
    _set_limit(context, answers, event, account, limit)
    return HandledEvent(answers)


def license_issued(context: DecisionContext, event: Event[LicenseIssued]) -> HandledEvent:
    """A licence or its amendment: its account, and its TPP committed on the country, even over the limit."""
    data, journal, answers = event.data, context.journal, context.answer(event)
    before = journal.facts.license(data.number)
    terms = context.book.terms(data, data.country)
    kept = (
        before is not None and context.book.terms(before.issued, before.issued.country).allocation == terms.allocation
    )
    entries = _given_back(context, before) if before and not kept else []
    old = _committed(context, before) if before and kept else 0
    more = _committed(context, License(data)) - old
    if terms.allocation is not None and more > 0:
        entries.append(journal.commit(terms.allocation, more, _known(context, terms.allocation, data.valid_from)))
    elif terms.allocation is not None and more < 0:
        entries.append(journal.void(terms.allocation, -more, None))
    journal.facts.add(FactKind.LICENSE, data.number, data)
    journal.facts.add(FactKind.LICENSES, data.exporter, data)
    _set_limit(context, answers, event, terms.account, data.tpp, entries)
    return HandledEvent(answers)


def _set_limit(
    context: DecisionContext, answers: Answers, event: Event[Any], path: str, limit: int, entries: Sequence[Entry] = ()
) -> None:
    """Notes the limit that a fact gives an account, and adds its record; only a higher limit brings room."""
    found = context.journal.accounts.find(path)
    is_higher = found is None or found.limit is None or limit > found.limit
    context.journal.accounts.set_limit(path, limit)
    record = _record(context, answers, event, entries)
    if is_higher:
        replenish(context, answers, path, record)


def license_revoked(context: DecisionContext, event: Event[LicenseRevoked]) -> HandledEvent:
    """Closes a licence from a day on; the unshipped TPP go back to the country's allocation."""
    data = event.data
    license = context.journal.facts.license(data.number)
    if license is None:
        raise Refusal(ReasonCode.LICENSE_UNKNOWN, f"Licence {data.number} is not known.", number=data.number)
    entries = _given_back(context, license)
    context.journal.facts.add(FactKind.REVOKED, data.number, data)
    return _recorded(context, event, entries)


def _committed(context: DecisionContext, license: License) -> int:
    """What a licence still commits on its country's allocation: its TPP less those dispatched; 0 once revoked."""
    if license.revoked is not None:
        return 0
    account = context.journal.accounts.find(context.book.terms(license.issued, license.issued.country).account)
    return max(0, license.issued.tpp - (account.posted if account else 0))


def _given_back(context: DecisionContext, license: License) -> list[Entry]:
    allocation = context.book.terms(license.issued, license.issued.country).allocation
    if allocation is None:
        return []
    amount = min(_committed(context, license), max(0, context.journal.accounts.balance(allocation)))
    return [context.journal.void(allocation, amount, None)] if amount else []


def veu_changed(context: DecisionContext, event: Event[VeuAuthorized | VeuRevoked]) -> HandledEvent:
    """A validated end-user's authorization, or the end of one."""
    data, facts = event.data, context.journal.facts
    if isinstance(data, VeuRevoked) and not any(
        fact.data.program == data.program and fact.data.country == data.country
        for fact in facts.of(FactKind.VEU, data.holder)
    ):
        message = f"{data.holder} has no such {data.program} authorization."
        raise Refusal(ReasonCode.VEU_UNKNOWN, message, **data.model_dump(exclude={"date"}, exclude_none=True))
    facts.add(FactKind.VEU, data.holder, data)
    if isinstance(data, VeuAuthorized):
        context.journal.parties.holders.authorize(data)
    return _recorded(context, event)


def allocation_set(context: DecisionContext, event: Event[AllocationSet]) -> HandledEvent:
    """An account's limit from a day on; one below the balance blocks new debits, and voids nothing."""
    data, answers = event.data, context.answer(event)
    _check_account(context, data.account, data.valid_from)
    if barred := context.book.barred_limit(data.account, data.limit, data.valid_from):
        code, message = barred
        pointer = "/data/limit" if code == RejectionCode.LIMIT_ABOVE_LAW else "/data/account"
        raise EventRejected(pointer, code, message)
    old = _known(context, data.account, data.valid_from)
    account = context.journal.set_limit(data)
    known = _known(context, data.account, data.valid_from)
    if known is not None:
        context.journal.accounts.set_limit(data.account, known)
    record = _record(context, answers, event)
    if old is None or data.limit > old:
        replenish(context, answers, account.path, record)
    higher = old is not None and known is not None and known > old
    return HandledEvent(answers, raised=account.path if higher else None)


def threshold_set(context: DecisionContext, event: Event[ThresholdSet]) -> HandledEvent:
    """Where alerts are raised from now on."""
    context.journal.limits.set_thresholds(event.data)
    return _recorded(context, event)


def usage_attested(context: DecisionContext, event: Event[UsageAttested]) -> HandledEvent:
    """Use that this ledger did not see; replaces the same party's earlier attestation on the account."""
    data, journal = event.data, context.journal
    _check_account(context, data.account, data.as_of)
    lower = journal.attestations.find(journal.accounts.path(data.account), data.by) - data.tpp
    _check_fall(context, data.account, lower)
    known = _known(context, data.account, data.as_of)
    return _recorded(context, event, [journal.attest(data.account, data.tpp, data.by, known)])


def attrition_reported(context: DecisionContext, event: Event[AttritionReported]) -> HandledEvent:
    """Items that no longer count towards an allocation (748.15(a)(2)(iii)(B))."""
    data = event.data
    _check_account(context, data.account, data.date)
    _check_fall(context, data.account, data.tpp)
    known = _known(context, data.account, data.date)
    return _recorded(context, event, [context.journal.credit(data.account, data.tpp, None, known)])


def adjustment_made(context: DecisionContext, event: Event[AdjustmentMade]) -> HandledEvent:
    """A correction by hand, by two reviewers."""
    data, day = event.data, event.happened.date()
    _check_account(context, data.account, day)
    _check_fall(context, data.account, -data.amount)
    check_adjustment(context, data)
    known = _known(context, data.account, day)
    return _recorded(context, event, [context.journal.adjust(data.account, data.amount, known)])


def adjustment_proposed(context: DecisionContext, event: Event[AdjustmentProposed]) -> HandledEvent:
    """Records a correction that a first person proposes; nothing moves until a second one makes it."""
    _check_account(context, event.data.account, event.happened.date())
    note_proposed(context, event.data)
    return _recorded(context, event)


def policy_set(context: DecisionContext, event: Event[PolicySet]) -> HandledEvent:
    """A rule of the house from now on, whatever the event's time."""
    context.journal.policies.set(event.data)
    return _recorded(context, event)


def _check_fall(context: DecisionContext, path: str, fall: int) -> None:
    """Refuses a credit, an adjustment or a lower attestation that exceeds the balance: it would make room for debits.

    Pending amounts do not count, since a void may still give them back; on an allocation, licences commit them.
    """
    ledger = context.journal.accounts
    most = ledger.balance(path) if accounts.committed(path) else ledger.removable(path)
    if fall > max(0, most):
        message = f"Cannot reduce {path} by {fall:,} TPP: at most {max(0, most):,} TPP can be removed."
        raise Refusal(ReasonCode.BALANCE_NEGATIVE, message, account=path, asked=fall, available=most)


def _check_account(context: DecisionContext, path: str, day: date) -> None:
    """Rejects an event about an account that the law does not provide for."""
    if barred := context.book.barred_account(path, day):
        raise EventRejected("/data/account", RejectionCode.ACCOUNT_INVALID, barred)


def match_cleared(context: DecisionContext, event: Event[MatchCleared]) -> HandledEvent:
    """A party is not the listed one that it resembles, as long as both are what was compared."""
    clear(context, event.data)
    context.journal.facts.add(FactKind.CLEARED, event.data.party, event.data)
    return _recorded(context, event)


def obligation_met(context: DecisionContext, event: Event[ObligationMet]) -> HandledEvent:
    """An obligation has been met."""
    data = event.data
    names = context.journal.parties.group(data.party) if data.party else ()
    subject = f"shipment/{data.shipment_id}" if data.shipment_id else f"party/{data.party}"
    facts, obligations = context.journal.facts, context.journal.obligations
    once = obligations.meet([f"party/{name}" for name in names] or [subject], data.kind, data.due)
    if once is None:
        message = f"No obligation {data.kind} due on {data.due} exists for {subject.replace('/', ' ')}."
        raise Refusal(ReasonCode.OBLIGATION_UNKNOWN, message, kind=data.kind, due=data.due.isoformat())
    for key in once:
        facts.add(FactKind.MET, f"{data.kind}/{key}", data)
    if once:
        obligations.end_met(data.kind, lambda kind, key: met_once(context, kind, key))
    return _recorded(context, event)


def _known(context: DecisionContext, path: str, day: date) -> int | None:
    """The limit that an account has on a day, whether or not it is tested; a share at the present balances."""
    journal = context.journal
    limit = journal.limits.in_force(path, day, context.book.limit(journal.accounts.path(path), day))
    if isinstance(limit, Share):
        return limit_value(limit, {limit.of: journal.accounts.balance(limit.of)})
    return limit


def _recorded(context: DecisionContext, event: Event[Any], entries: Sequence[Entry] = ()) -> HandledEvent:
    answers = context.answer(event)
    _record(context, answers, event, entries)
    return HandledEvent(answers)


def _record(context: DecisionContext, answers: Answers, event: Event[Any], entries: Sequence[Entry] = ()) -> str:
    """Adds the record of a fact, and the alerts of its entries. Returns the record's id."""
    data = {"causation": answers.causation, "entries": entries_to_json(entries)}
    shipment = getattr(event.data, "shipment_id", None)
    named = {"shipment_id": shipment} if shipment else {}
    record = answers.add(EVENT_RECORDED, shipment or event.subject, named | data)
    raise_alerts(context, answers, entries, record)
    return record
