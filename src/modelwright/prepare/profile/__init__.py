"""A table's profile: what is in a file, column by column, in one pass and bounded memory, and a page about it.

``reading`` and ``reading_typed`` give blocks of columns; ``parts`` say what a block holds, each in a thread of its own;
``engine`` puts them together in order, in the sketches of ``columns`` and ``table``; ``kinds``, ``pairs`` and
``findings`` make :class:`facts.Profile` of them, and ``page`` draws it.
"""

from __future__ import annotations

from modelwright.prepare.profile.door import profile

__all__ = ["profile"]
