"""Hypothesis: the same examples on every run; `--hypothesis-profile=hunt` looks for new ones."""

from hypothesis import settings

settings.register_profile("house", max_examples=60, deadline=None, derandomize=True, database=None)
settings.register_profile("hunt", max_examples=3000, deadline=None, database=None)
settings.load_profile("house")
