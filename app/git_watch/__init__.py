"""Follows the git changes in a workspace: file events, scans by the git program, WebSockets on one thread for each
process.

It imports errors, turns, and the confinement of its reader. Read `watchers` first.
"""
