"""Tags and ladders: SQL conditions over the data dictionary that decide, explain and foresee.

``parts`` reads a file into a ``document`` (``reader``: YAML, ``grammar``: SQL, ``vocabulary``: features, ``links``:
names) · ``slots`` numbers tags and rungs for ever · ``compile`` makes the kernels' arrays (``scores`` writes scores
out) · ``book`` turns numbers back into names · ``explain`` says why, ``words`` in Chinese and English.
"""

from profiles.rules.book import RuleBook, Ruling, Standing
from profiles.rules.compile import compile_rules
from profiles.rules.document import CATEGORIES, Document, Label, Ladder, Rung, Tag, rung_key
from profiles.rules.explain import Gap, Seen, because, kept, missing
from profiles.rules.parts import load, shipped
from profiles.rules.place import RuleErrors
from profiles.rules.slots import assign_slots
from profiles.rules.terms import Rule
from profiles.rules.words import say

__all__ = [
    "CATEGORIES",
    "Document",
    "Gap",
    "Label",
    "Ladder",
    "Rule",
    "RuleBook",
    "RuleErrors",
    "Ruling",
    "Rung",
    "Seen",
    "Standing",
    "Tag",
    "assign_slots",
    "because",
    "compile_rules",
    "kept",
    "load",
    "missing",
    "rung_key",
    "say",
    "shipped",
]
