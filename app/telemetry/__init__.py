"""What the server says about itself: numbers, and lines in a log.

It imports nothing else of `app`, and no Flask. Read `measures` first.
"""
