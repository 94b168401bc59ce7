"""The lines of the table: what is measured, against what, and how far it has to get.

A group measures all of its sides in turns, so that whatever else the machine does hits them alike; a line compares two
sides of a group.
"""
