"""Two versions of a list compared."""

from hypothesis import given
from hypothesis import strategies as st

from rulebook.parties.entries import ListEntry
from services.lists.comparing import compare

VERSIONS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["Alpha", "Beta"]))


def _list(names: dict[str, str]) -> list[ListEntry]:
    return [ListEntry(one, name) for one, name in names.items()]


@given(VERSIONS, VERSIONS)
def test_what_was_added_removed_and_changed_leads_from_one_version_to_the_other(
    old: dict[str, str], new: dict[str, str]
) -> None:
    found = compare(_list(old), _list(new))
    made = {one: name for one, name in old.items() if one not in found.removed}
    made |= {one: new[one] for one in (*found.added, *found.changed)}
    assert made == new
    assert not {*found.added} & {*old}
    assert all(old[one] != new[one] for one in found.changed)


def test_a_change_of_any_member_changes_an_entry() -> None:
    old = ListEntry("1", "Alpha", aliases=("A",))
    assert compare([old], [old._replace(notes="x")]).changed == ("1",)
    assert compare([old], [old]) == ((), (), ())
