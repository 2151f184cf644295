"""Sources: where samples come from. One small streaming plug-in a kind, behind :class:`modelwright.prepare.collect.base.Source`."""
