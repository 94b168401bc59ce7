"""Search: untrusted text becomes typed parameters, typed parameters become a query; both pure."""
