"""gunicorn as this store runs it: `config` is its configuration, `worker` its worker, and below that one connection, request
and answer. `config` puts the application's processes together; all else here knows no store, no dialect and no Flask, and
imports settings and errors at most. Begin with `worker`.
"""
