"""Other sources of a trace: a file that describes a network, or somebody's module."""
