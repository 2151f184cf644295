"""Sources: where samples come from. One small streaming plug-in a kind, behind the protocol in :mod:`.base`."""
