"""The words of company names that tell little: legal forms, joining words, common words, places, parts of addresses."""

import tomllib
from importlib.resources import files

_FOUND = tomllib.loads((files(__package__) / "words.toml").read_text("utf-8"))

LEGAL = frozenset(_FOUND["forms"].split())
"""Legal forms, in Latin letters."""
LAST_FORMS = tuple(sorted((tuple(form.split()) for form in _FOUND["last_forms"]), key=lambda form: (-len(form), form)))
"""Legal forms that are such only at the end of a name, by their words; the longest first."""
FORMS = LEGAL | frozenset(_FOUND["joining"].split())
"""Legal forms and joining words."""
COMMON = frozenset((_FOUND["common"] + _FOUND["places"]).split()) - FORMS
"""Common words and places."""
NATIVE_FORMS = tuple(sorted(_FOUND["native_forms"].split(), key=lambda form: (-len(form), form)))
"""Legal forms in Chinese and Japanese letters, which stand in a name without a blank; the longest first."""
STREET_WORDS = frozenset(_FOUND["street"].split())
"""Words that only an address has."""
ADDRESS_WORDS = STREET_WORDS | frozenset((_FOUND["site"] + _FOUND["places"]).split())
"""Words that many addresses have."""
SHORTENED: dict[str, str] = _FOUND["shortened"]
"""Words of addresses that are written short, and in full; in full `""` where they say nothing."""
PART_OF: dict[str, str] = _FOUND["part_of"]
"""Countries that count as part of another: the lists give addresses in Hong Kong under China (15 CFR 738.3(b))."""
