"""Every page in its states, and a ledger in which each of them has something to show."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import events
from browser_run import People, Person
from databases import Databases
from playwright.sync_api import FilePayload, Page, Response
from reading_run import event, something_of_everything
from reading_run import request as shipment
from web_inside import Inside, inside

from schemas.periods import period
from services.engine.message import Message
from services.proof.closing import close_signed
from services.proof.keys import signer
from services.web.events import deciding

NOW = 1_751_374_721_000_000
"""2025-07-01T12:58:41Z, in microseconds: when somebody looks."""


Act = Callable[[Page], None]
"""What somebody does on a page that is open, until it is in another state."""


class Shown(NamedTuple):
    """A page in a state: the name of the state, its address, the role of who looks, the status of the answer.

    `act`: what leads to the state from the page. `empty`: whether the ledger is. `only_html`: it
    looks as another state does. In the address `{link}` stands for a
    new one-time link.
    """

    name: str
    path: str
    role: str = "reviewer"
    status: int = 200
    act: Act | None = None
    empty: bool = False
    only_html: bool = False


def press(button: str, shown: str, fields: Mapping[str, str] = MappingProxyType({})) -> Act:
    """Fills fields, presses a button of the page although fields may lack, and waits until something is shown."""

    def act(page: Page) -> None:
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        page.evaluate("document.querySelectorAll('form').forEach(one => { one.noValidate = true; })")
        for field, text in fields.items():
            page.locator(field).fill(text)
        page.get_by_role("main").get_by_role("button", name=button).first.click()
        page.wait_for_selector(shown)

    return act


def upload(text: str) -> Act:
    """A statement is compared with the ledger."""

    def act(page: Page) -> None:
        file: FilePayload = {"name": "statement.csv", "mimeType": "text/csv", "buffer": text.encode()}
        page.locator("#file").set_input_files(file)
        page.get_by_role("button", name="Compare").click()
        page.wait_for_selector("#r-totals, #r-bad")

    return act


def proposed(page: Page) -> None:
    """A proposal stands."""
    page.wait_for_selector(".eyes li")


def keys(page: Page) -> None:
    """The list of the shortcuts is open."""
    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")


def stale(page: Page) -> None:
    """Nothing has come for long, much has been missed, and a form was kept."""
    page.evaluate("""() => {
        quiet();
        document.querySelector("#much").hidden = false;
        keep(document.querySelector(".filters"));
    }""")


def asked_twice() -> str:
    """Two events, a line each."""
    return "\n".join(shipment(f"SHP-ASK-{n}", 5 + n, "2025-06-30T09:00:00Z").decode() for n in range(2))


STATEMENT = (
    "shipment_id,account,date,amount\nSHP-1,lpp/CON-1/2025,2025-06-05,15832001\nSHP-X,lpp/CON-9/2025,2025-06-05,5\n"
)
BAD_STATEMENT = "shipment_id,account,date,amount\nSHP-1,lpp/CON-1/2025,June,many\n"

PAGES = (
    Shown("quotas", "/console/quotas"),
    Shown("quotas-filtered", "/console/quotas?account=CON-1&year=all"),
    Shown("quotas-none", "/console/quotas?account=nobody-of-that-name"),
    Shown("quotas-bad", "/console/quotas?near=much", status=400),
    Shown("quotas-empty", "/console/quotas", empty=True),
    Shown("account", "/console/accounts/lpp/CON-1/2025"),
    Shown("account-finance", "/console/accounts/lpp/CON-1/2025", "finance"),
    Shown("holds", "/console/holds"),
    Shown("holds-all", "/console/holds?view=all"),
    Shown("holds-none", "/console/holds?party=nobody-of-that-name"),
    Shown("holds-bad", "/console/holds?country=nowhere", status=400),
    Shown("holds-empty", "/console/holds", empty=True),
    Shown("holds-stale", "/console/holds", act=stale),
    Shown("hold", "/console/holds/SHP-3"),
    Shown("hold-flag", "/console/holds/SHP-4"),
    Shown("hold-review", "/console/holds/SHP-10-02", act=proposed),
    Shown("hold-mine", "/console/holds/SHP-10-03", act=proposed),
    Shown("hold-monitor", "/console/holds/SHP-3", "monitor"),
    Shown("hold-errors", "/console/holds/SHP-4", act=press("Propose release", "#errors")),
    Shown(
        "hold-answer", "/console/holds/SHP-10-04",
        act=press("Propose release", "#answer-to-you", {"#release": "The address was checked by phone."}),
    ),
    Shown("shipment", "/console/shipments/SHP-1"),
    Shown("shipment-held", "/console/shipments/SHP-10-02"),
    Shown("shipment-left", "/console/shipments/SHP-5", "monitor"),
    Shown("obligations", "/console/obligations"),
    Shown("obligations-later", "/console/obligations?part=later"),
    Shown("obligations-met", "/console/obligations?state=met"),
    Shown("obligations-none", "/console/obligations?about=SHP-NONE"),
    Shown("obligations-empty", "/console/obligations", empty=True),
    Shown("obligations-errors", "/console/obligations?about=SHP-12", act=press("Mark as sent", "#errors")),
    Shown(
        "obligations-answer", "/console/obligations?about=SHP-13",
        act=press("Mark as sent", "#answer-to-you", {"input[name=reference] >> nth=0": "mail-1"}),
    ),
    Shown("ask", "/console/ask"),
    Shown("ask-answer", "/console/ask", act=press("Ask", "#answer")),
    Shown("ask-table", "/console/ask", act=press("Ask", "#answer", {"#shipment": asked_twice()})),
    Shown("ask-fault", "/console/ask", act=press("Ask", "#faults", {"#shipment": '{"shipment_id": 5}'})),
    Shown("search", "/console/search?q=CON"),
    Shown("search-none", "/console/search?q=nobody-of-that-name"),
    Shown("search-empty", "/console/search"),
    Shown("party", "/console/parties/CON-1"),
    Shown("periods", "/console/periods", "finance"),
    Shown("periods-empty", "/console/periods", "finance", empty=True),
    Shown("periods-errors", "/console/periods", "finance", act=press("Close", "#errors", {"#period": "soon"})),
    Shown("period", "/console/periods/2025-05", "finance"),
    Shown("period-closed", "/console/periods/2025-06?said=done", "finance"),
    Shown("compare", "/console/periods/compare", "finance"),
    Shown("compare-changes", "/console/periods/compare?from=2025-05&to=now", "finance"),
    Shown("compare-none", "/console/periods/compare?from=now&to=now", "finance"),
    Shown("reconcile", "/console/periods/reconcile", "finance"),
    Shown("reconcile-result", "/console/periods/reconcile", "finance", act=upload(STATEMENT)),
    Shown("reconcile-bad", "/console/periods/reconcile", "finance", act=upload(BAD_STATEMENT)),
    Shown("law", "/console/law"),
    Shown("law-bad", "/console/law?day=never", status=422, only_html=True),
    Shown("tokens", "/console/tokens", "admin"),
    Shown("tokens-made", "/console/tokens", "admin", act=press("Make the token", "#made", {"#name": "warehouse"})),
    Shown("tokens-link", "/console/tokens", "admin", act=press("Make the link", "#made", {"#link-name": "m.lindqvist"})),
    Shown("tokens-errors", "/console/tokens", "admin", act=press("Make the token", "#errors", {"#name": "two words"})),
    Shown("me", "/console/me"),
    Shown("sign-in", "/sign-in"),
    Shown("sign-in-errors", "/sign-in", act=press("Sign in", "#error", {"#token": "tpp_wrong"})),
    Shown("link", "{link}"),
    Shown("link-unknown", "/link/unknown", status=404),
    Shown("keys", "/console/holds", act=keys),
    Shown("missing", "/console/shipments/SHP-NONE", status=404),
    Shown("refused", "/console/tokens", status=403),
)  # fmt: skip


def visit(person: Person, one: Shown) -> str:
    """Brings a page into its state; returns the last HTML that the server has sent."""
    sent: list[Response] = []
    note = lambda answer: sent.append(answer) if answer.request.is_navigation_request() else None  # noqa: E731
    person.page.on("response", note)
    path = one.path.format(link=person.link())
    answer = person.page.goto(f"{person.url}{path}")
    assert answer is not None and answer.status == one.status, f"{one.path}: {answer and answer.status}"
    if one.act is not None:
        one.act(person.page)
    person.page.remove_listener("response", note)
    return sent[-1].text()


class Visitors:
    """A browser for each role on each of two ledgers, which stays signed in."""

    def __init__(self, people: People, full: Inside, empty: Inside) -> None:
        self._people, self._of = people, {False: full, True: empty}
        self._signed_in: dict[tuple[str, bool], Person] = {}

    def visitor(self, one: Shown) -> Person:
        """Who looks at a page."""
        key = one.role, one.empty
        if key not in self._signed_in:
            self._signed_in[key] = self._people.sign_in(self._of[one.empty], one.role)
        return self._signed_in[key]


def written(running: Inside, lines: list[bytes]) -> None:
    """Decides events at the time that the server has."""
    assert running.web.engine.run([Message(line, {"file": "-", "line": n}) for n, line in enumerate(lines, 1)])


def proposal(name: str, of: str) -> bytes:
    """A first reviewer proposes to release a hold."""
    data = {"shipment_id": of, "action": "release", "reviewer": name, "reason": "The address was checked by phone."}
    return event(f"propose-{of}", "review.proposed", data, "2025-06-30T15:00:00Z", "//reviews.example")


def everything() -> list[bytes]:
    """Something for each page, and holds of which somebody has proposed the release."""
    *before, ticked = something_of_everything()
    asked = [shipment(f"SHP-10-0{n}", 7, "2025-06-20T08:00:00Z", to="IN", flags=[2]) for n in (2, 3, 4)]
    return [*before, *asked, proposal("m.lindqvist", "SHP-10-02"), proposal("r.osei", "SHP-10-03"), ticked]


def close_periods(running: Inside, folder: Path) -> None:
    """May and June are closed."""
    running.web.settings = running.web.settings.model_copy(update={"signing_key": str(folder / "signing.key")})
    key = signer(running.web.settings, running.web.store, print)
    for name in ("2025-05", "2025-06"):
        close_signed(running.web.store, key, period(name), NOW, "f.diaz")


@contextmanager
def shown(folder: Path, lines: list[bytes]) -> Iterator[Inside]:
    """A server on a ledger in which these events were decided, at a time that stands still."""
    with inside(Databases("sqlite", folder).ledger(), ()) as running:
        running.now = NOW
        if lines:
            written(running, lines)
            close_periods(running, folder)
        with deciding(running.web):
            yield running


HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</textarea></title></template><script>alert(2)</script>",
    "{{7*7}}{% raw %}${7*7}",
    "javascript:alert(3)",
    "\u202eevil\u202c \u200fRTL\u200e \u2066isolated",
    "W" * 512,
)
"""Texts that a page must show and not obey."""


def hostile() -> list[bytes]:
    """Shipments of which every text is hostile, held and approved, and what is owed for them."""
    found = []
    for n, text in enumerate(HOSTILE):
        words = {
            "consignee": events.party(f"CON-H{n}", "PL") | {"name": text, "address": text},
            "exporter": events.party("EXP-1") | {"name": text},
        }
        found += [shipment(f"SHP-H{n}", 5, **words), shipment(f"SHP-K{n}", 5, **words | {"papers": []})]
    return found
