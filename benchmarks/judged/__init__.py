"""A judged set: documents as people have them, what they ask for, and which of the documents answer it.

`documents/<language>/<key>.txt` is a document: `name: value` lines (`name` of the file, whose ending says what it is made
into; `encoding`, where a text is not UTF-8), an empty line, and the text. `#` begins a heading, `|` a row of a table, `---`
a slide, empty lines part paragraphs; a mail begins with its own header fields. What is text anyway (`.txt`, `.csv`, `.md`,
code) is taken as it stands. `queries.tsv` has a query a line: kind, language, text, and the documents that answer it,
parted by spaces; none where nothing does.

All of it is written for this set, so that no document and no query is one that search was fitted to. Files are made when
they are measured, by the libraries that the tests have, and go through upload and extraction: what is not extracted is not
found here either.

Rejected: the files themselves in the repository, of which nobody sees what a query should find; more documents of
`tests/data/ranking`, where each query is a test that has to pass and judges the order, while here queries may well fail.
"""
