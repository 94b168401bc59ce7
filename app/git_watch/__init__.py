"""The git changes in a workspace, followed: file events, scans by the git program, WebSockets on one thread a process.

It imports errors, turns, and the confinement of its reader. Read `watchers` first.
"""
