"""The recipe ``tishby``, its options as JSON, with and without a Monitor that watches: weights and random numbers at the end."""

import json
import sys
from contextlib import nullcontext

import torch

from ibmon_recipes import tishby


class Nothing:
    """A monitor that does nothing at all."""

    device = torch.device("cpu")

    def watch(self, model, **_):
        self.model = model

    def epochs(self, n, **_):
        return range(n)

    def step(self, loss):
        pass

    def log(self, name, **_):
        pass


if "--monitor" in sys.argv:
    import ibmon

    class Watching(ibmon.Monitor):
        def watch(self, model, **options):
            self.model = model
            super().watch(model, **{**options, "schedule": "every:2epochs"})

    context = Watching()
else:
    context = nullcontext(Nothing())

options = json.loads(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2].startswith("{") else {}
torch.manual_seed(0)  # the recipe draws from a generator of its own
with context as monitor:
    tishby.train(monitor, **{"epochs": 40, "seed": 1, **options})
torch.save((monitor.model.state_dict(), torch.get_rng_state()), sys.argv[1])
