"""The dialects, in the order in which they are asked whether a path is theirs. A new one is a module and a line
here."""

from app.web.dialects import coco, coder, elasticsearch, kore, langdock, openai

DIALECTS = (
    langdock.dialect,
    kore.dialect,
    coder.dialect,
    openai.dialect,
    elasticsearch.dialect,
    coco.dialect,
)
