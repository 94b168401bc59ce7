"""The command line, behind the doors in scripts/. docs/commands.md is its interface."""
