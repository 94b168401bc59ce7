"""HTTP: the application, who may do what, bodies that come in and files that go out, dialects, the page, health and numbers.

It imports every other room but the commands, and storage, index and coordination only by what services hand out. Read `app`
first, which puts the application together, then `services`, which is what a route has.
"""
