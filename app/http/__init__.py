"""HTTP as such: bodies that come in, files that go out, who may do what."""
