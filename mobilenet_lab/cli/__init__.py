"""The command line: each verb reads its options, asks the verb of the same name and prints.

Nothing heavy is imported before a verb needs it. Exit codes: 0 fine, 1 a verification failed or an
answer is not right, 2 wrong use, 130 stopped by Ctrl-C.
"""

from mobilenet_lab.cli.base import app

# isort: off
# the order in which --help lists the verbs
from mobilenet_lab.cli import counting, drawing, measuring, learning, course
# isort: on

__all__ = ["app", "counting", "course", "drawing", "learning", "measuring"]
