"""What keeps files and index together: what settles by itself, and what people run (check, repair, rebuild, migrate).

It imports services, index, storage and coordination by their contracts; no request. Read `verify` first.
"""
