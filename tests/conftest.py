"""`--hypothesis-profile=slow`: ten times the examples, where a test leaves their number open."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "slow", max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck)
)
