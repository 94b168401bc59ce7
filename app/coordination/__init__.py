"""Coordination: how the processes of one store agree, whichever of them are running, and on whichever machine.

It imports `app.errors`, `app.files` and `app.ids`, and nothing that knows an index, a request or an attachment. Read
`contract` first: it says everything that others may rely on; `local` implements it for the processes of one machine.
"""
