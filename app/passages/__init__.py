"""Passages, for the search by meaning: cuts a text into pieces of a few sentences, and encodes their vectors for a
file.

It is pure. It imports the parts of a text from the extraction, and does not know the model. Read
docs/adr/0027-passages.md first.
"""
