"""Rows -> terminal, Markdown, CSV, JSON, LaTeX, HTML: layout only, no arithmetic."""
