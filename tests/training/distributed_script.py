"""What each process of tests/training/test_distributed.py does: the runs of a JSON, one by one."""

import json
import os
import sys
from pathlib import Path

import torch

from mobilenet_lab.drawings import training_charts
from mobilenet_lab.errors import LabError
from mobilenet_lab.fine_tuning import train

torch.set_num_threads(1)
told = []
for options in json.loads(Path(sys.argv[1]).read_text()):
    watched: list[str] = []
    training_charts.save = lambda folder: None
    try:
        run = train(**options, watch=lambda event, seen=watched: seen.append(type(event).__name__))
    except LabError as error:
        told.append({"error": str(error)})
    else:
        losses = [row.train_loss for row in run.history]
        told.append({"losses": losses, "skipped": run.skipped, "text": str(run)})
    told[-1]["watched"] = len(watched)
Path(sys.argv[1]).with_suffix(f".rank{os.environ['RANK']}").write_text(json.dumps(told))
