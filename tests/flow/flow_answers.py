"""What was given out for an event, in the short notation of the flows, to be compared with what a flow expects."""

from collections.abc import Mapping, Sequence
from typing import Any

DECISIONS = ("approved", "held", "released", "denied", "expired")


def kind(event: Mapping[str, Any]) -> str:
    """The last word of an event's type that tells it apart: `approved`, `recorded`, `alert`, `due`."""
    word: str = event["type"].split(".")[-2]
    return word


def told(
    answer: Mapping[str, Any], following: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any]
) -> dict[str, Any]:
    """What an answer says under the words of `wanted`, and always its kind, its movements, its reasons and what follows."""
    data = answer["data"]
    says: dict[str, Any] = {
        "is": kind(answer),
        "moves": sorted(map(move, data.get("debits", data.get("entries", [])))),
        "codes": sorted(reason["code"] for reason in data.get("reasons", [])),
        "then": sorted(map(after, following)),
    }
    if says["is"] == "rejected":
        says["errors"] = [f"{error['pointer']} {error['code']}" for error in data["errors"]]
    for word in wanted.keys() - says.keys():
        says[word] = _WORDS[word](data, wanted[word]) if word in _WORDS else None
    return says


def expected(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """An expectation with what it leaves out: no movement, no reason, nothing that follows."""
    full = {"moves": [], "codes": [], "then": [], **wanted}
    return full | {
        "moves": sorted(" ".join(text.split()) for text in full["moves"]),
        "codes": sorted(full["codes"]),
        "then": sorted(" ".join(text.split()) for text in full["then"]),
    }


def move(debit: Mapping[str, Any]) -> str:
    """A movement: `lpp/CON-1/2025 126,592 pending = 253,184`, the amount, the part, and the balance after it."""
    return f"{debit['account']} {debit['amount']:,} {debit['state']} = {debit['balance']:,}"


def after(event: Mapping[str, Any]) -> str:
    """An event that follows: `alert lpp/CON-1/2025 threshold 0.5`, `due lpp_certification_copy SHP-1 overdue`.

    Of an automatic recheck: `rechecked; released SHP-1, SHP-2; held SHP-3`.
    """
    data = event["data"]
    match kind(event):
        case "alert" if "other_name" in data:
            return f"{data['kind']} name {data['party']} {data['other']} {data['score']}"
        case "alert" if "other" in data:
            return f"{data['kind']} {data['of']} {data['party']} {data['other']}"
        case "alert" if "account" not in data:
            return f"{data['kind']} {data['shipment_id']} {data['state'] or 'unknown'}"
        case "alert":
            threshold = data.get("threshold")
            return f"alert {data['account']} {data['kind']}" + (f" {threshold}" if threshold is not None else "")
        case "due":
            return f"{data['state']} {data['kind']} {data.get('shipment_id') or data.get('party')} {data['due']}"
        case "recorded":
            listed = ((word, ", ".join(data[word])) for word in ("released", "held", "skipped"))
            return "; ".join(["rechecked", *(f"{word} {names}" for word, names in listed if names)])
        case word:
            moves = "; ".join(sorted(map(move, data["debits"])))
            return f"{word} {data['shipment_id']}: {moves or 'nothing moved'}"


def _facts(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for reason in data.get("reasons", []):
        if reason["code"] in wanted and found.get(reason["code"], {}) != wanted[reason["code"]]:
            found[reason["code"]] = {name: reason["facts"].get(name, "") for name in wanted[reason["code"]]}
    return found


def _under(data: Mapping[str, Any], _: Any) -> str | None:
    taken = data.get("authorization")
    return taken and " ".join(filter(None, (taken["kind"], taken.get("reference"))))


def _owes(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    due = {owed["kind"]: owed["due"] for owed in data.get("obligations", [])}
    return {name: due.get(name, "") for name in wanted}


def _lines(data: Mapping[str, Any], _: Any) -> list[str]:
    return [
        f"{line['line']} {line['class']} {line['authorization'] or '-'} {line['tpp']:,}"
        for line in data.get("lines", [])
    ]


def _finds(data: Mapping[str, Any], wanted: Sequence[str]) -> list[str]:
    """Those of the wanted findings, `740.29(c) met`, that are there."""
    there = [f"{finding['provision']} {finding['result']}" for finding in data.get("findings", [])]
    return [text for text in wanted if any(one.endswith(text) for one in there)]


def _limits(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    there = {debit["account"]: debit["limit"] for debit in data.get("debits", data.get("entries", []))}
    return {name: there.get(name) if there.get(name) is not None else "none" for name in wanted}


def _says(data: Mapping[str, Any], wanted: Sequence[str]) -> list[str]:
    text = " ".join(reason["message"] for reason in data.get("reasons", []))
    return [words for words in wanted if words in text]


_WORDS = {
    "under": _under,
    "facts": _facts,
    "owes": _owes,
    "lines": _lines,
    "finds": _finds,
    "limits": _limits,
    "says": _says,
    "tpp": lambda data, _: data["tpp"],
    "state": lambda data, _: data.get("state"),
    "law": lambda data, _: data.get("law_as_of"),
    "released": lambda data, _: data.get("released"),
    "held": lambda data, _: data.get("held"),
    "skipped": lambda data, _: data.get("skipped"),
    "policies": lambda data, _: [f"{name} {str(on).lower()}" for name, on in data["basis"]["policies"].items()],
    "unexplained": lambda data, _: [f"{one['line']} {one['quantity']:,}" for one in data.get("unexplained", [])],
}
