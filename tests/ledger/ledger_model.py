"""A ledger as simple as it can be: shipments and facts in lists, every balance worked out anew from them each time."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from events import UNIT
from ledger_events import owner

Parts = tuple[int, int, int, int]
LPP_LIMIT = 26_900_000
COUNTRY_LIMIT = 790_000_000
HOLDER = "CON-50"
NVEU_CAPS = {
    date(2025, 4, 1): 949_500_000,
    date(2025, 7, 1): 1_266_000_000,
    date(2025, 10, 1): 1_582_500_000,
    date(2026, 1, 1): 1_899_000_000,
}
PENDING, POSTED, HELD = ("approved", "released"), ("dispatched",), ("held", "held_at_dispatch")
NOTHING: Parts = (0, 0, 0, 0)


@dataclass
class Asked:
    """What is asked of a shipment."""

    kind: str
    consignee: str
    quantity: int
    day: date
    reference: str | None = None
    expires: date | None = None


@dataclass
class Life:
    """A shipment: what is asked, its state, what it has on which accounts."""

    asked: Asked
    state: str = ""
    debits: list[tuple[str, int]] = field(default_factory=list)
    returned: int = 0


@dataclass
class Licence:
    """A licence: its amount, for whom, and from when it is revoked."""

    tpp: int
    consignee: str
    country: str
    revoked: date | None = None


class Model:
    """What the ledger should hold. Each event is a method that gives the state or the kind of answer that follows."""

    def __init__(self) -> None:
        self.lives: dict[str, Life] = {}
        self.licences: dict[str, Licence] = {}
        self.limits: list[tuple[str, date, int]] = []
        self.attested: dict[tuple[str, str], int] = {}
        self.corrections: list[tuple[str, int, int]] = []
        self.survivors: dict[str, str] = {}
        self.today: date | None = None

    # --- identities -----------------------------------------------------------------------------------------------

    def one(self, party: str) -> str:
        """The identifier that stands for a party."""
        while party in self.survivors:
            party = self.survivors[party]
        return party

    def path(self, path: str) -> str:
        """The account that stands for an account."""
        family, *rest = path.split("/")
        return "/".join([family, self.one(rest[0]), *rest[1:]]) if family in ("lpp", "aia", "nveu") else path

    # --- balances -------------------------------------------------------------------------------------------------

    def parts(self) -> dict[str, Parts]:
        """Every account that holds anything: pending, posted, attested, credits."""
        found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for life in self.lives.values():
            index = 0 if life.state in PENDING else 1
            for path, amount in life.debits:
                found[self.path(path)][index] += amount
        for number, licence in self.licences.items():
            country = found[country_of(licence)]
            country[0] += self.committed(number)
            country[1] += self.shipped(number)
        for (path, _), tpp in self.attested.items():
            found[self.path(path)][2] += tpp
        for path, posted, credits in self.corrections:
            found[self.path(path)][1] += posted
            found[self.path(path)][3] += credits
        return {path: (a, b, c, d) for path, (a, b, c, d) in found.items() if (a, b, c, d) != NOTHING}

    def shipped(self, number: str) -> int:
        """What has left under a licence."""
        gone = [life for life in self.lives.values() if life.state in POSTED]
        return sum(amount for life in gone for path, amount in life.debits if path == f"license/{number}")

    def committed(self, number: str) -> int:
        """What a licence still holds of its country's allocation."""
        licence = self.licences[number]
        return 0 if licence.revoked else max(0, licence.tpp - self.shipped(number))

    def balance(self, path: str) -> int:
        """What counts against the limit of an account."""
        pending, posted, attested, credits = self.parts().get(self.path(path), NOTHING)
        return pending + posted + attested - credits

    def there(self, path: str) -> int:
        """What may come off an account: what is pending may still be given back, and does not count."""
        _, posted, attested, credits = self.parts().get(self.path(path), NOTHING)
        return max(0, posted + attested - credits)

    def limit(self, path: str, day: date, of_law: int | None) -> int | None:
        """The limit set last for a day, else the law's."""
        found = [
            (start, index, limit)
            for index, (named, start, limit) in enumerate(self.limits)
            if self.path(named) == self.path(path) and start <= day
        ]
        return max(found)[2] if found else of_law

    # --- deciding -------------------------------------------------------------------------------------------------

    def plan(self, asked: Asked, day: date) -> list[tuple[str, int, int | None]] | None:
        """The debits with the limits that they are tested against; None where the law says no."""
        tpp, one = asked.quantity * UNIT, self.one(asked.consignee)
        base = f"nveu/{one}/AE"
        wanted: list[tuple[str, int, int | None]] = []
        if asked.kind == "LPP":
            wanted = [(f"lpp/{self.one(owner(asked.consignee))}/{day.year}", tpp, LPP_LIMIT)]
        elif asked.kind == "AIA":
            wanted = [(f"aia/{one}", tpp, None)]
        elif asked.kind == "LICENSE":
            licence = self.licences.get(str(asked.reference))
            if licence is None or self.one(licence.consignee) != one or (licence.revoked and day >= licence.revoked):
                return None
            wanted = [(f"license/{asked.reference}", tpp, licence.tpp)]
        elif asked.kind == "VEU":
            wanted = [(base, tpp, max((start, cap) for start, cap in NVEU_CAPS.items() if start <= day)[1])]
        if asked.kind == "LICENSE" and one == self.one(HOLDER):
            wanted.append((base, tpp, None))
        return [
            (path, amount, None if of_law is None else self.limit(path, day, of_law)) for path, amount, of_law in wanted
        ]

    def judge(self, life: Life, state: str, held: str = "held") -> str:
        """Debits a shipment that has nothing on any account, or holds it."""
        wanted = self.plan(life.asked, life.asked.day)
        fits = wanted is not None and all(
            limit is None or self.balance(path) + amount <= limit for path, amount, limit in wanted
        )
        life.state = state if fits else held
        life.debits = [(path, amount) for path, amount, _ in wanted or ()] if fits else []
        return life.state

    def request(self, shipment: str, asked: Asked) -> str:
        """A new shipment."""
        if shipment in self.lives:
            return "refused"
        self.lives[shipment] = Life(asked)
        return self.judge(self.lives[shipment], "approved")

    def amend(self, shipment: str, asked: Asked) -> str:
        """A shipment that is asked anew."""
        life = self.lives.get(shipment)
        if life is None or life.state not in (*PENDING, "held"):
            return "refused"
        life.asked, life.debits = asked, []
        return self.judge(life, "approved")

    def cancel(self, shipment: str) -> str:
        """A shipment that will not leave."""
        life = self.lives.get(shipment)
        if life is None or life.state not in (*PENDING, "held"):
            return "refused"
        life.state, life.debits = "cancelled", []
        return "recorded"

    def dispatch(self, shipment: str, day: date) -> str:
        """A shipment that has left, on the day planned or on another."""
        life = self.lives.get(shipment)
        if life is None or life.state not in PENDING:
            return "refused"
        planned = self.plan(life.asked, day)
        if day == life.asked.day and planned is not None:
            life.state = "dispatched"
            return "recorded"
        life.debits, life.asked.day = [], day
        return "recorded" if self.judge(life, "dispatched", "held_at_dispatch") == "dispatched" else "held"

    def give_back(self, shipment: str, quantity: int) -> str:
        """Units that came back."""
        life = self.lives.get(shipment)
        if life is None or life.state not in POSTED:
            return "refused"
        back = min(quantity, life.asked.quantity - life.returned)
        life.returned += back
        paths = [path for path, _ in life.debits if path.startswith("nveu")]
        paths += [country_of(self.licences[str(life.asked.reference)])] if life.asked.kind == "LICENSE" else []
        self.corrections += [(path, 0, min(back * UNIT, self.there(path))) for path in paths]
        return "recorded"

    def review(self, shipment: str, action: str) -> str:
        """A reviewer's decision on a hold."""
        life = self.lives.get(shipment)
        if life is None or life.state not in HELD:
            return "refused"
        if action == "deny":
            life.state = "denied"
            return "denied"
        left = life.state == "held_at_dispatch"
        return "released" if self.judge(life, "dispatched" if left else "released", life.state) not in HELD else "held"

    def recheck(self) -> list[str]:
        """The shipments that are released when all holds are screened again."""
        found = []
        for shipment, life in self.lives.items():
            left = life.state == "held_at_dispatch"
            if life.state not in HELD or (not left and self.today and life.asked.day < self.today):
                continue
            if self.judge(life, "dispatched" if left else "released", life.state) not in HELD:
                found.append(shipment)
        return found

    def tick(self, today: date) -> list[str]:
        """The shipments that lapse."""
        if self.today and today <= self.today:
            return []
        self.today = today
        lapsed = [
            name
            for name, life in self.lives.items()
            if life.state in PENDING and life.asked.expires and life.asked.expires <= today
        ]
        for name in lapsed:
            self.lives[name].state, self.lives[name].debits = "expired", []
        return lapsed

    # --- facts ----------------------------------------------------------------------------------------------------

    def license(self, number: str, tpp: int, consignee: str, country: str) -> str:
        """A licence or its amendment."""
        self.licences[number] = Licence(tpp, consignee, country)
        return "recorded"

    def revoke(self, number: str, day: date) -> str:
        """The end of a licence."""
        licence = self.licences.get(number)
        if licence is None:
            return "refused"
        licence.revoked = min(day, licence.revoked or day)
        return "recorded"

    def attest(self, path: str, tpp: int, by: str) -> str:
        """Use that the ledger did not see."""
        if self.attested.get((self.path(path), by), 0) - tpp > self.there(path):
            return "refused"
        self.attested[self.path(path), by] = tpp
        return "recorded"

    def correct(self, path: str, amount: int) -> str:
        """An adjustment; attrition is one of less."""
        if -amount > (max(0, self.balance(path)) if path.startswith("country") else self.there(path)):
            return "refused"
        self.corrections.append((path, max(0, amount), max(0, -amount)))
        return "recorded"

    def merge(self, survivor: str, absorbed: str) -> str:
        """Two identifiers of one party."""
        if self.one(survivor) == absorbed:
            return "refused"
        survivor, absorbed = self.one(survivor), self.one(absorbed)
        if survivor != absorbed:
            self.survivors[absorbed] = survivor
            moved: dict[tuple[str, str], int] = defaultdict(int)
            for (path, by), tpp in self.attested.items():
                moved[self.path(path), by] += tpp
            self.attested = dict(moved)
        return "recorded"


def country_of(licence: Licence) -> str:
    """The account of a licence's country."""
    return f"country/{licence.country}/2025-2027"


def told(parts: dict[str, Any]) -> dict[str, Parts]:
    """Balances as the ledger tells them, as the model does: what holds nothing is left out."""
    return {path: (row[0], row[1], row[2], row[3]) for path, row in parts.items() if tuple(row[:4]) != NOTHING}
