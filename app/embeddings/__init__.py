"""Vectors of texts: a model in a process of its own, or a server that speaks OpenAI's API. docs/adr/0026-embeddings.md."""
