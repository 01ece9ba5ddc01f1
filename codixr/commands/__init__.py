"""The bodies of the command `codixr`."""
