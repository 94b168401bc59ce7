"""Values: an attachment, a chat, and the table of their fields.

It imports errors and ids alone: values do not know where they are stored, found or requested. Read `schema` first.
"""
