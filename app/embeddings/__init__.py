"""Vectors of texts, made by a model in its own process or by a server with OpenAI's API. See
docs/adr/0026-embeddings.md."""
