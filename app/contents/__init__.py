"""What a file is, told from its content: `mediatype` asks the modules here, one for each structure.

It imports the names of kinds (`app.extraction.kinds`) and nothing else of `app`. Read `mediatype` first.
"""
