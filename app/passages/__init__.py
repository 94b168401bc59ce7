"""Passages: a text cut into pieces of a few sentences, for search by meaning, and how their vectors are kept.

It is pure: of the extraction it imports the parts of a text, and it knows no model. Read docs/adr/0027-passages.md first.
"""
