"""The command line, behind the doors in scripts/. docs/commands.md is its interface.

It imports everything, `app.web` in `early_server` alone, and chooses storage and coordination. Read `main` and `common`
first.
"""
