"""A script not written for ibmon: an LSTM that carries its state between batches, and numpy's random numbers."""

import random
import sys

import numpy as np
import torch
from torch import nn

torch.manual_seed(4)
np.random.seed(4)
random.seed(4)
torch.set_num_threads(1)


class Carried(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 8, batch_first=True, dropout=0.3, num_layers=2)
        self.head = nn.Linear(8, 3)
        self.state = None

    def forward(self, x):
        state = self.state if self.state is not None and self.state[0].shape[1] == len(x) else None
        if state is not None:
            state = tuple(s.detach() for s in state)
        h, self.state = self.lstm(x, state)
        return self.head(h)


model = Carried()
series = torch.randn(6, 400, 3)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

monitor = None
if "--monitor" in sys.argv:
    import ibmon

    data = ibmon.EvaluationSet(series[:, :30])
    monitor = ibmon.Monitor(model, evaluation=data, schedule="every:2steps", estimators=["binning"])

for start in range(0, 360, 20):
    noise = torch.from_numpy(np.random.randn(6, 20, 3)).float() * random.random()
    loss = (model(series[:, start : start + 20] + noise) - series[:, start + 1 : start + 21]).square().mean()
    optimizer.zero_grad()
    loss.backward()
    if monitor:
        monitor.step(loss)
    optimizer.step()

torch.save((model.state_dict(), [s.detach() for s in model.state], torch.get_rng_state()), sys.argv[1])
