"""Values: an attachment, a chat, and the table of their fields.

It imports errors and ids alone: values know nothing of where they are kept, found or asked for. Read `schema` first.
"""
