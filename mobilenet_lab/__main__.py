"""python -m mobilenet_lab"""

from mobilenet_lab.cli import app

app(prog_name="mobilenet-lab")
