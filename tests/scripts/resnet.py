"""A script not written for ibmon: batch norm, dropout, in-place and shared ReLU, momentum."""

import sys

import torch
from torch import nn

torch.manual_seed(3)
torch.set_num_threads(1)


class Block(nn.Module):
    def __init__(self, width, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(width // stride, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.2)
        self.skip = nn.Identity() if stride == 1 else nn.Conv2d(width // stride, width, 1, stride)

    def forward(self, x):
        h = self.drop(self.relu(self.bn1(self.conv1(x))))
        return self.relu(self.bn2(self.conv2(h)) + self.skip(x))


model = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), Block(8), Block(16, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5))
x, y = torch.randn(96, 3, 12, 12), torch.randint(0, 5, (96,))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

monitor = None
if "--monitor" in sys.argv:
    import ibmon

    monitor = ibmon.Monitor(model, inputs=x, targets=y, optimizer=optimizer, schedule="every:1steps", estimators=["binning"])

model.train()
for _ in range(4):
    for rows in torch.randperm(96).split(24):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        loss.backward()
        if monitor:
            monitor.step(loss)
        optimizer.step()

torch.save((model.state_dict(), torch.get_rng_state()), sys.argv[1])
