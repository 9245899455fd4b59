"""What somebody wrote, as hashed pieces of it: enough to learn how people sound, too little to read it again.

A text becomes a set of numbers below ``SIZE``: single characters and pairs of neighbours where words are not spaced
(Chinese, Japanese, Korean), elsewhere words, pairs of words and pieces of four characters, so that a slip of the pen
costs little.  E-mail addresses are cut out and digits masked first, order and repetition are lost, a long text is thinned.
Hashes are still about a person: who has a dictionary can find out which common words were used.
Knows: texts.  Must not know: who wrote them, what is learned from them.
"""

from __future__ import annotations

import re
import zlib
from itertools import accumulate, pairwise
from typing import Final
from unicodedata import normalize

from profiles.privacy import without_addresses

BITS: Final = 15  #: of a code, so that no difference of two is a surrogate (see ``pack``); more do not rank better
SIZE: Final = 1 << BITS
LENGTH: Final = 500  #: characters that are looked at
KEPT: Final = 96  #: codes of a text at most; more do not rank better

_UNSPACED: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_PIECE: Final = re.compile(rf"([{_UNSPACED}]+)|([^\W_{_UNSPACED}]+)|[^\w\s]")
_DIGIT: Final = re.compile(r"\d")
_WITHIN: Final = 4  #: characters of a piece of a word
_MIX: Final = 40_503  #: odd, so that it permutes codes


def grams(text: str) -> tuple[int, ...]:
    """The codes of a text, rising; the same on every machine, and none if nothing is said.

    >>> grams("  "), grams("Ｇｏｏｄ 1") == grams("good 7"), len(grams("很好"))
    ((), True, 3)
    """
    text = normalize("NFKC", without_addresses(text[:LENGTH])).lower()[:LENGTH]
    found: set[str] = set()
    before = ""
    for piece in _PIECE.finditer(_DIGIT.sub("0", text)):
        unspaced, word = piece.groups()
        if unspaced:
            found.update(unspaced, map("".join, pairwise(unspaced)))
        elif word:
            spaced = f" {word} "
            found.update((spaced, before + spaced))
            found.update(spaced[i : i + _WITHIN] for i in range(len(spaced) - _WITHIN + 1))
        else:
            found.add(piece.group())
        before = f" {word}" if word else ""
    return _thinned({zlib.crc32(each.encode("utf-8", "surrogatepass")) >> (32 - BITS) for each in found})


def _thinned(codes: set[int]) -> tuple[int, ...]:
    """At most ``KEPT`` of them, the same ones from whichever text."""
    if len(codes) > KEPT:
        codes = set(sorted(codes, key=lambda code: code * _MIX % SIZE)[:KEPT])
    return tuple(sorted(codes))


def pack(codes: tuple[int, ...]) -> str:
    """Rising codes as a text of one character a code, its distance from the one before: two bytes or less, mostly.

    >>> unpack(pack((0, 5, 32767)))
    (0, 5, 32767)
    """
    return "".join(chr(after - before) for before, after in pairwise((-1, *codes)))


def unpack(packed: str) -> tuple[int, ...]:
    """The inverse of ``pack``; of a text that it never wrote, what is within bounds."""
    codes = accumulate(map(ord, packed[:KEPT]), initial=-1)
    return tuple(dict.fromkeys(code for code in codes if 0 <= code < SIZE))
