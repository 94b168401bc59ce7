"""Values: an attachment, a chat. They know nothing of where they are kept, found or asked for, and import nothing of it."""
