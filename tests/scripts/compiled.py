"""A script not written for ibmon: a compiled model under mixed precision with gradient accumulation, clipping and a schedule."""

import shutil
import sys

import torch
from torch import nn

torch.manual_seed(5)
torch.set_num_threads(1)
model = nn.Sequential(nn.Linear(10, 32), nn.GELU(), nn.Dropout(0.1), nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 4))
x, y = torch.randn(256, 10), torch.randint(0, 4, (256,))
compiled = torch.compile(model, backend="inductor" if shutil.which("g++") else "aot_eager")
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 5, 0.5)
scaler = torch.amp.GradScaler("cpu")

monitor = None
if "--monitor" in sys.argv:
    import ibmon

    monitor = ibmon.Monitor(compiled, inputs=x, targets=y, optimizer=optimizer, schedule="every:1steps", estimators=["binning"])

for _ in range(3):
    for i, rows in enumerate(torch.randperm(256).split(32)):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = nn.functional.cross_entropy(compiled(x[rows]), y[rows]) / 2
        scaler.scale(loss).backward()
        if i % 2:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            if monitor:
                monitor.step(loss)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            schedule.step()

torch.save((model.state_dict(), torch.get_rng_state()), sys.argv[1])
