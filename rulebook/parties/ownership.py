"""Who is owned by whom: which owners of a party count as listed, through the owners of owners, and what is not known.

An owner counts if it is listed itself, or if owners that count hold the share of the rule in it: then all that it holds
counts (paragraph (b) of Supplement No. 8 to 15 CFR part 744).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from schemas.plan import Holding

DEEPEST = 10
"""The longest chain of owners that is followed."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of the owners of one party.

    `share`: what owners that count hold together, in percent; it may be more than 100 where the register and the
    shipment name different owners. `chain`: the owners that count, from the party upward, with what each holds, as it
    was stated; empty where they hold less than the share of the rule. `behind`: the listed owners in it. `unsaid`: the
    listed owners that may hold the share of the rule, since a share on the way is not said. `reached`: all listed
    owners, at any share. `circle`: owners that own each other in a circle. `deeper`: owners whose own owners were not
    followed, since the chain is too long.
    """

    share: int = 0
    chain: tuple[Holding, ...] = ()
    behind: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()
    reached: tuple[str, ...] = ()
    circle: tuple[str, ...] = ()
    deeper: tuple[str, ...] = ()


@dataclass(slots=True)
class _Graph:
    """The owners of a party that are followed: `nodes` upward, nearest first, and what each holds of which."""

    nodes: list[str]
    above: dict[str, list[tuple[str, Holding]]]
    deeper: list[str] = field(default_factory=list)


def larger(holdings: Iterable[Holding], one: Callable[[str], str]) -> tuple[Holding, ...]:
    """Each owner once with the largest of its shares, as it was stated first; `one` is the identifier that counts.

    >>> larger([Holding("A", "A Ltd", 30), Holding("B", "B Ltd", None), Holding("A", "A Ltd", 40)], str)
    (Holding(id='A', name='A Ltd', share=40), Holding(id='B', name='B Ltd', share=None))
    """
    found: dict[str, Holding] = {}
    for each in holdings:
        key = one(each.id)
        known = found.get(key)
        if known is None:
            found[key] = each
        elif (each.share or 0) > (known.share or 0):
            found[key] = known._replace(share=each.share)
    return tuple(found.values())


def owners_of(
    party: str,
    owners: Mapping[str, Sequence[Holding]],
    listed: Collection[str],
    least: int,
    one: Callable[[str], str] = str,
) -> Found:
    """What is known of the owners of a party.

    `owners`: party to its owners, each once; `listed`: the owners that are listed themselves; `least`: the share from
    which ownership counts whole, in percent; `one`: the identifier that counts of one that was stated.
    """
    graph = _followed(party, owners, one)
    listed = set(listed).intersection(graph.nodes[1:])
    circle = _circle(graph)
    if not listed:
        return Found(circle=circle, deeper=tuple(graph.deeper))
    counted = _counted(graph, listed, least, hopeful=False)
    share = sum(held.share or 0 for key, held in graph.above[party] if key in counted and key != party)
    chain, behind = _chain(graph, party, listed, counted) if share >= least else ((), ())
    possible = counted if share >= least else _counted(graph, listed, least, hopeful=True)
    open_question = party in possible and share < least
    unsaid = _unsaid(graph, party, listed, possible, whole=open_question)
    return Found(
        share, chain, behind, unsaid, tuple(key for key in graph.nodes if key in listed), circle, tuple(graph.deeper)
    )


def _followed(party: str, owners: Mapping[str, Sequence[Holding]], one: Callable[[str], str]) -> _Graph:
    """The owners at most so many links away, nearest first."""
    depth = {party: 0}
    graph = _Graph([party], {})
    for key in graph.nodes:
        above = [(one(held.id), held) for held in owners.get(key, ())]
        if depth[key] < DEEPEST:
            for other, _ in above:
                if other not in depth:
                    depth[other] = depth[key] + 1
                    graph.nodes.append(other)
        graph.above[key] = above
    for key in graph.nodes:
        inside = [each for each in graph.above[key] if each[0] in depth]
        if len(inside) < len(graph.above[key]):
            graph.deeper.append(key)
            graph.above[key] = inside
    return graph


def _counted(graph: _Graph, listed: Collection[str], least: int, hopeful: bool) -> set[str]:
    """The listed owners, and whom owners that count hold to the least share; the party itself is never an owner.

    `hopeful`: also whom they may hold to that share, since a share is not said.
    """
    counted, party = set(listed), graph.nodes[0]
    grows = True
    while grows:
        grows = False
        for key in reversed(graph.nodes):
            if key in counted:
                continue
            held = [each.share for other, each in graph.above[key] if other in counted and other != party]
            if sum(share or 0 for share in held) >= least or (hopeful and None in held):
                counted.add(key)
                grows = True
    return counted


def _chain(
    graph: _Graph, party: str, listed: Collection[str], counted: Collection[str]
) -> tuple[tuple[Holding, ...], tuple[str, ...]]:
    """The owners that count with a share that is said, from the party upward to those that are listed."""
    chain, behind = list[Holding](), list[str]()
    seen, waiting = {party}, [party]
    for key in waiting:
        for other, held in graph.above[key]:
            if other not in counted or other in seen or held.share is None:
                continue
            seen.add(other)
            chain.append(held)
            if other in listed:
                behind.append(other)
            else:
                waiting.append(other)
    return tuple(chain), tuple(behind)


def _unsaid(
    graph: _Graph, party: str, listed: Collection[str], possible: Collection[str], whole: bool
) -> tuple[str, ...]:
    """The listed owners that are reached over a share that is not said.

    `whole`: over any link; else over one between the party and its own owners alone.
    """
    found: dict[str, None] = {}
    seen: set[tuple[str, bool]] = {(party, False)}
    waiting = [(party, False)]
    for key, open_link in waiting:
        for other, held in graph.above[key]:
            if key == party and not whole and held.share is not None:
                continue
            step = (other, open_link or held.share is None)
            if other not in possible or other == party or step in seen:
                continue
            seen.add(step)
            if other in listed:
                found |= {other: None} if step[1] else {}
            else:
                waiting.append(step)
    return tuple(found)


def _circle(graph: _Graph) -> tuple[str, ...]:
    """The parties of a circle of owners, the nearest first; empty if there is no circle."""
    left = {key: {other for other, _ in above} for key, above in graph.above.items()}
    below: dict[str, list[str]] = {}
    for key, above in left.items():
        for other in above:
            below.setdefault(other, []).append(key)
    ended = [key for key, above in left.items() if not above]
    for key in ended:
        for other in below.get(key, ()):
            left[other].discard(key)
            if not left[other]:
                ended.append(other)
    open_ones = set(left).difference(ended)
    return tuple(_round(graph, open_ones)) if open_ones else ()


def _round(graph: _Graph, among: Collection[str]) -> Iterator[str]:
    """A circle among parties each of which has an owner among them."""
    path: list[str] = []
    key = next(key for key in graph.nodes if key in among)
    while key not in path:
        path.append(key)
        key = next(other for other, _ in graph.above[key] if other in among)
    yield from path[path.index(key) :]
