"""What a file is, told from its content: `mediatype` asks the modules here, one for each structure.

It imports nothing else of `app` but the errors. Read `mediatype` first.
"""
