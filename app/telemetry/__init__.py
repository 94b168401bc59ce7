"""Telemetry: metrics, and lines in a log.

It imports no other package of `app`, and no Flask. Read `measures` first.
"""
