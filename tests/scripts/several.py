"""A script not written for ibmon: two processes train one model, by DDP or sharded. Rank 0 saves the weights."""

import os
import sys

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

out, kind = sys.argv[1], sys.argv[2]
dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(7)
torch.set_num_threads(1)
model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
x, y = torch.randn(128, 6), torch.randint(0, 3, (128,))
if kind == "sharded":
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    trained = fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
else:
    trained = DistributedDataParallel(model)
optimizer = torch.optim.SGD(trained.parameters(), lr=0.1, momentum=0.9)

monitor = None
if "watched" in sys.argv:
    import ibmon

    monitor = ibmon.Monitor(
        trained, inputs=x, targets=y, optimizer=optimizer, schedule="every:2steps", estimators=["binning"], batch_size=16
    )

torch.manual_seed(rank)
for _ in range(8):
    rows = torch.randperm(64)[:16] + 64 * rank
    loss = nn.functional.cross_entropy(trained(x[rows]), y[rows])
    optimizer.zero_grad()
    loss.backward()
    if monitor:
        monitor.step(loss)
    optimizer.step()

weights = {k: v.full_tensor() if hasattr(v, "full_tensor") else v for k, v in trained.state_dict().items()}
if rank == 0:
    torch.save((weights, torch.get_rng_state()), out)
if monitor:
    monitor.close()
# Taking the group apart aborts a process of gloo's now and then, without ibmon as well.
os._exit(0)
