"""The command line: verbs in, one answer out. :mod:`modelwright.cli.commands` is the table of what there is."""
