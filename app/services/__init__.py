"""What can be done with a store, and in which order its effects come. A service knows the contracts of storage, index
and coordination; it knows no request, no dialect and no Flask. `store` puts the services together; begin reading with
`uploads`.
"""
