"""What can be done with a store: the order of effects, all of it. A service knows storage, index and coordination by their
contracts; no request, no dialect, no Flask. `store` puts them together; begin with `uploads`.
"""
