"""What the server says about itself: numbers, lines in a log, its health."""
