"""What a file is, told from its content: `app.mediatype` asks the modules here, one for each structure."""
