"""Texts that people cannot tell apart: one form for all that look alike."""

import unicodedata

_LOOK_ALIKES = {
    "-": "−⁃˗۔ⲻ➖",
    "2": "ƨϩᒿꙅꛯꝛ",
    "3": "ȝɜʒзӡⳍꝫ𑣊𖼻𝈆",
    "4": "Ꮞ𑣏",
    "5": "ƽ𑣛",
    "6": "бᏮⳓ𑣕",
    "7": "𐓺𑣆𝈒",
    "8": "ȣ৪੪ଃ𐌚",
    "9": "৭੧୨൭ⳋꝯ𑣌𑣖",
    "a": "ɑαаᎪᗅ⍺ꓮ𐊠𖽀",
    "b": "ƅβвьᏏᏴᑲᖯᗷꓐꞵ𐊂𐊡𐌁",
    "c": "σсᏟᴄⲥꓚ𐊢𐌂𐐽𐔜𑣩𑣲🝌",
    "d": "ԁᎠᏧᑯᗞᗪꓒꓓ",
    "e": "εеҽᎬ℮⋿ⴹꓰꬲ𐊆𑣎",
    "f": "ϝքᖴẝꓝꞙꬵ𐊇𐊥𐔥𑣂𝈓",
    "g": "ƍɡԍցᏀᏳᶃꓖ",
    "h": "ηнһհᎻᏂᕼⲏꓧ𐋏",
    "j": "ʝϳјᎫᒍꓙ",
    "k": "κкᏦᛕⲕꓗ𐔘",
    "l": "ıǀɩɪιіӏ۱ᎥᏞᒪᛁ∣⍳⏽│ⲓⳑⵏꓡꓲꙇ𐊊𐌉𐌠𐑃𐔦𑣃𑣒𖼖𖼨𝈪",
    "m": "μϻмᎷᗰᛖⲙꓟ𐊰𐌑",
    "n": "νոռⲛꓠ𐔓",
    "o": "οоօ۵०০੦૦ଠ୦௦ం౦ಂ೦ംഠ൦ං๐໐ဝ၀ჿዐᴏᴑⲟⵔ〇ꓳꬽ𐊒𐊫𐐬𐓪𐔖𑓐𑣈𑣗𑣠",
    "p": "ρрᏢᑭ⍴ⲣꓑ𐊕",
    "q": "ԛգզⵕ",
    "r": "ʀгᎡᎱᏒᖇᴦⲅꓣꭇꭈ𐓜𖼵𝈖",
    "s": "ѕտᏕᏚꓢꜱ𐊖𐑈𑣁𖼺",
    "t": "τтᎢ⊤⟙ⲧꓔ𐊗𐊱𐌕𑣜𖼊🝨",
    "u": "ʋυսሀᑌᴜ∪⋃ꓴꞟꭎꭒ𐓶𑣘𖽂",
    "v": "ѵ۷Ꮩᐯᴠ∨⋁ⴸꓦꛟ𐔝𑜆𑣀𖼈𝈍",
    "w": "ɯѡԝաᎳᏔᴡꓪ𑜊𑜎𑜏𑣦𑣯",
    "x": "×χхᕁᕽ᙭᙮ᚷ╳⤫⤬⨯ⲭⵝꓫꭓ𐊐𐊴𐌗𐌢𐔧𑣬",
    "y": "ɣʏγуүყᎩᎽᶌỿⲩꓬꭚ𐊲𑣄𖽃",
    "z": "ζᏃᴢꓜ𐋵𑣉𑣥",
}
"""Letters and digits with what looks like them, after NFKD and casefold (TR 39, confusables.txt of Unicode 15.1)."""

_ASCII = {"i": "l", "1": "l", "|": "l", "0": "o"}
_TABLE = str.maketrans(_ASCII | {other: plain for plain, others in _LOOK_ALIKES.items() for other in others})
_ACCENTS = range(0x0300, 0x0370)


_LETTERS = {other: plain for plain, others in _LOOK_ALIKES.items() if plain.isalpha() for other in others}


def latin(text: str) -> str:
    """A text in lower case of which letters of other scripts that look like Latin ones are Latin.

    >>> latin("\N{CYRILLIC CAPITAL LETTER ES}\N{CYRILLIC SMALL LETTER O}. Ltd")
    'co. ltd'
    """
    return "".join(_LETTERS.get(one, one) for one in text.casefold())


def skeleton(text: str) -> str:
    """The form that texts share which differ in case, accents, width, invisible characters or look-alike letters alone.

    >>> skeleton("TPP-Ledger") == skeleton("\N{CYRILLIC SMALL LETTER TE}pp\N{HYPHEN}1edger")
    True
    >>> skeleton("O'Hara") == skeleton("0'hara"), skeleton("Ann") == skeleton("Anna")
    (True, False)
    """
    if text.isascii() and text.isprintable():
        return text.casefold().translate(_TABLE).replace("rn", "m")
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = "".join("-" if unicodedata.category(c) == "Pd" else c for c in plain if not _invisible(c))
    return plain.translate(_TABLE).replace("rn", "m")


def _invisible(character: str) -> bool:
    return ord(character) in _ACCENTS or unicodedata.category(character) in ("Cc", "Cf")


def same_name(first: str, second: str) -> bool:
    """Whether two names of persons cannot be told apart; spaces and punctuation do not count.

    >>> same_name("r.one", " R One"), same_name("r.one", "r.two")
    (True, False)
    """
    return _letters(first) == _letters(second)


def _letters(text: str) -> str:
    return "".join(c for c in skeleton(text) if unicodedata.category(c)[0] in "LNM")


def same_identifier(text: str) -> str:
    """The form that identifiers share which differ in case, look-alike letters or trailing punctuation alone.

    >>> same_identifier("CON-10."), same_identifier("con-lO")
    ('con-lo', 'con-lo')
    """
    return skeleton(text.rstrip("._:-"))
