"""The dialects, in the order in which they are asked whose a path is. A new one is a module and a line here."""

from app.dialects import coco, coder, kore, langdock

DIALECTS = (langdock.dialect, kore.dialect, coder.dialect, coco.dialect)
