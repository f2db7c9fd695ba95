"""Adapters that run the public counters on an nn.Module; they know no architecture."""
