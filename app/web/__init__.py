"""HTTP: the application, access, request bodies, files that are sent, dialects, the page, health and metrics.

It imports every other package except the commands; storage, index and coordination only through what services return.
Read `app` first, which puts the application together, then `services`, which routes call.
"""
