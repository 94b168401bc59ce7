"""The readers: one module for each kind of document (`app.extraction.kinds`), called as the kind is.

Each has two functions. `load(options)` imports the libraries, while the process may still read them; `read(content,
media_type)` gives the document's text in pieces (`base.Piece`), with nothing but memory. A reader starts no process, opens
no file and asks for no descriptor in `read`, and what its library wants of that kind it has from reading the sample of its
kind (`app.extraction.samples`) before, and what its `rehearsals()` names, if it has that. Files inside of a document are
given on as they are (`base.Inner`): each is read by a process of its own, by the reader of its own kind, so that no reader
needs another.

Rejected: one process that reads what is inside too (a mail with a picture would need every library, and one attachment could
change what is told of another), and one class for each (they have no state).
"""
