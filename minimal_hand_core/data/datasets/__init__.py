"""One reader per data set, each from the data set's native files; `open_dataset` opens them by name.

Each module's docstring says where its data come from, under which licence, what folder it expects, how many samples it
has and what was done to bring them into one form. Facts are from the fact sheet unless marked as common knowledge.
"""
