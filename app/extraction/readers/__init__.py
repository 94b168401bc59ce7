"""The readers: one module for each kind of document (`app.extraction.kinds`), with the name of the kind.

Each has two functions. `load(options)` imports the libraries, while the process may still read them; `read(content,
media_type)` yields the document's text in pieces (`reader.Piece`) and uses nothing but memory. In `read` a reader
starts no process, opens no file and asks for no descriptor. If its library needs such things, it gets them earlier, by
reading the sample of its kind (`app.extraction.samples`) and the documents of its `rehearsals()`, if it has that
function. Files inside a document are passed on unchanged (`reader.Inner`): a process of its own reads each, with the
reader of its kind, so that no reader needs another.

Rejected: one process that reads the files inside too (a mail with a picture would need every library, and one attachment
could change the text of another), and one class for each reader (they have no state).
"""
