"""NetAdapt: the widths of a network narrowed step by step, each step chosen by what it costs."""
