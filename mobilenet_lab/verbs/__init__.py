"""What the lab is asked for: one file a verb, the same for Python and for the command line.

A verb takes names and options and answers with a `Table`; the arithmetic is `analysis`'s, the
layout `reports`'s. A network is given by name, with the options of `registry.trace`, or as a
`Trace` of one's own, without options; to `sweep` and `budget`, as a function that makes traces.
"""
