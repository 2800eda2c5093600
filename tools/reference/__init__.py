"""Reference pages of the documentation, made from the code's own tables: `python -m tools.reference`."""
