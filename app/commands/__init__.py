"""The command line, which the programs in scripts/ call. docs/commands.md describes its interface.

It imports everything, `app.web` in `early_server` alone, and chooses storage and coordination. Read `main` and `common`
first.
"""
