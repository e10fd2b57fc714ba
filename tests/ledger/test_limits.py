"""Whether debits fit, against the same arithmetic done naively with fractions."""

from fractions import Fraction

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ledger.registers.limits import after, limit_value, shortfalls
from schemas.models.values import TPP_MAX
from schemas.plan import Debit, Share

WHOLE = "uveu/H/total"
NAMES = ("lpp/A/2025", "nveu/B/AE", "uveu/H/AE", "facility/F")
AMOUNTS = st.one_of(st.integers(0, 200), st.integers(0, TPP_MAX // 8))
LIMITS = st.one_of(st.none(), AMOUNTS, st.integers(0, 100).map(lambda percent: Share(percent, WHOLE)))


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Debit], dict[str, int], dict[str, int | Share | None]]:
    """Debits of one option on up to four accounts and the whole, the balances before, the limits."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    whole = Debit(WHOLE, draw(AMOUNTS), None, "c")
    debits = [whole]
    for name in names:
        leaves = name.startswith("facility")
        debits.append(Debit(name, -draw(AMOUNTS) if leaves else draw(AMOUNTS), draw(LIMITS), "c", floor=leaves))
    balances = {debit.account: draw(AMOUNTS) for debit in debits}
    return debits, balances, {debit.account: debit.limit for debit in debits}


def room(limit: int | Share, whole: int) -> Fraction:
    """What a limit allows, exactly."""
    return Fraction(limit.percent * whole, 100) if isinstance(limit, Share) else Fraction(limit)


def naive(debits: list[Debit], balances: dict[str, int], limits: dict[str, int | Share | None]) -> list[str]:
    """The accounts on which the option does not fit, one debit for each account."""
    whole = balances[WHOLE] + sum(debit.amount for debit in debits if debit.account == WHOLE)
    found = []
    for debit in debits:
        now = balances[debit.account] + debit.amount
        limit = limits[debit.account]
        too_low = debit.floor and now < 0
        too_high = limit is not None and debit.amount > 0 and now > room(limit, whole)
        if too_low or too_high:
            found.append(debit.account)
    return found


@given(cases())
@settings(max_examples=400)
def test_what_does_not_fit(case: tuple[list[Debit], dict[str, int], dict[str, int | Share | None]]) -> None:
    debits, balances, limits = case
    assert [short.debit.account for short in shortfalls(debits, balances, limits, balances)] == naive(
        debits, balances, limits
    )


@given(cases())
def test_figures_of_what_is_short(case: tuple[list[Debit], dict[str, int], dict[str, int | Share | None]]) -> None:
    debits, balances, limits = case
    later = after(debits, balances)
    for short in shortfalls(debits, balances, limits, balances):
        limit = limits[short.debit.account]
        asked = abs(short.debit.amount)
        assert short.balance == balances[short.debit.account]
        assert short.short_by == asked - short.available > 0
        if short.debit.floor:
            assert short.available == short.most == max(0, short.balance)
            continue
        assert short.limit == limit_value(limit, later)
        assert short.available == max(0, short.limit - short.balance)
        if not isinstance(limit, Share):
            assert short.most == short.available


@given(percent=st.integers(0, 100), part=AMOUNTS, extra=AMOUNTS, asked=AMOUNTS)
@example(percent=25, part=0, extra=0, asked=1)
@example(percent=7, part=7, extra=93, asked=100)
@example(percent=100, part=0, extra=0, asked=1)
@settings(max_examples=300)
def test_the_most_of_a_share_is_the_most(percent: int, part: int, extra: int, asked: int) -> None:
    """`most` fits and one more does not, where part and whole grow together."""
    whole = part + extra

    def fits(amount: int) -> bool:
        debits = [Debit(WHOLE, amount, None, "c"), Debit("uveu/H/AE", amount, Share(percent, WHOLE), "c")]
        return not shortfalls(debits, {WHOLE: whole, "uveu/H/AE": part}, {WHOLE: None, "uveu/H/AE": debits[1].limit})

    debits = [Debit(WHOLE, asked, None, "c"), Debit("uveu/H/AE", asked, Share(percent, WHOLE), "c")]
    shorts = shortfalls(debits, {WHOLE: whole, "uveu/H/AE": part}, {WHOLE: None, "uveu/H/AE": debits[1].limit})
    assume(shorts)
    most = shorts[0].most
    assert 0 <= most < asked
    assert most == 0 or fits(most)
    assert not fits(most + 1)


@given(limit=AMOUNTS, before=AMOUNTS, amounts=st.lists(AMOUNTS, min_size=1, max_size=8))
def test_debits_one_after_the_other_never_pass_a_limit(limit: int, before: int, amounts: list[int]) -> None:
    balance = before
    for amount in amounts:
        debit = Debit("lpp/A/2025", amount, limit, "c")
        if not shortfalls([debit], {debit.account: balance}, {debit.account: limit}):
            balance += amount
            assert amount == 0 or balance <= limit
    assert balance <= max(before, limit)


def test_a_share_is_passed_at_exactly_its_percentage() -> None:
    """Supplement No. 10 to part 748, paragraph 6."""

    def short(part: int, whole: int) -> bool:
        debits = [Debit(WHOLE, whole, None, "c"), Debit("uveu/H/AE", part, Share(7, WHOLE), "c")]
        return bool(shortfalls(debits, {WHOLE: 0, "uveu/H/AE": 0}, {WHOLE: None, "uveu/H/AE": Share(7, WHOLE)}))

    assert not short(7, 100)
    assert short(8, 100)
    assert short(7, 99)


def test_two_debits_of_one_account_count_together() -> None:
    debits = [Debit("lpp/A/2025", 60, 100, "c"), Debit("lpp/A/2025", 41, 100, "c")]
    assert shortfalls(debits, {"lpp/A/2025": 0}, {"lpp/A/2025": 100})
    assert not shortfalls(debits[:1], {"lpp/A/2025": 40}, {"lpp/A/2025": 100})
