"""Coordination: what the processes of one store agree by, whoever of them lives, and on whichever machine they are.

It imports `app.errors`, `app.files` and `app.ids`, and nothing that knows an index, a request or an attachment. Read
`contract` first: everything that others may count on is said there; `local` keeps it for the processes of one machine.
"""
