"""Keeps files and index in agreement: what is settled automatically, and what people run (check, repair, rebuild,
migrate).

It imports services, the index and the contracts of storage and coordination; no request. Read `verify` first.
"""
