"""The command line, behind the doors in scripts/. docs/commands.md is its interface.

It imports everything but `app.web`, and chooses storage and coordination. Read `main` and `common` first.
"""
