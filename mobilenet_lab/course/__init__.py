"""The course's notebooks: their sources, the builder, and copies for students."""
