"""The type of a file, detected from its content: `mediatype` asks the other modules, one for each structure.

Of `app` it imports only the errors. Read `mediatype` first.
"""
