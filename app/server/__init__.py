"""gunicorn as this store runs it: `config` is its configuration and `worker` its worker, which uses `connection`,
`request` and `response`. `config` puts the application's processes together; the other modules know no store, no
dialect and no Flask, and import at most settings and errors. Begin with `worker`.
"""
