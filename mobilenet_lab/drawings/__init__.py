"""Figures drawn from the same traces and rows as the tables: `lab.draw`.

Each function draws on the matplotlib Axes given as `ax`, or on a figure of its own, and returns the
Axes. `ax.figure.alt` says in words what is shown.
"""
