#!/usr/bin/env python3
"""MLP training throughput beside PyTorch on the CPU, one thread each, interleaved.

    /usr/bin/python3 bench/optim/mlp_vs_torch.py [--binary build/release/bin/mlp_bench] [--rounds 5]

Both train 784-200-200-10 (ReLU, softmax cross-entropy): forward, backward, plain SGD step. PyTorch
gets its batches ready-made as contiguous float tensors; our side gathers and converts its own from
bytes, shuffled. Prints one JSON object; ratio = ours / PyTorch, medians over the rounds.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

CHILD = "--torch-child"


def torch_rate(batch):
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Linear(784, 200), torch.nn.ReLU(), torch.nn.Linear(200, 200), torch.nn.ReLU(),
        torch.nn.Linear(200, 10))
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-4)
    loss = torch.nn.CrossEntropyLoss()
    steps = 30000 // batch + 1
    inputs = torch.rand(8, batch, 784)
    labels = torch.randint(0, 10, (8, batch))

    def run(count):
        for k in range(count):
            optimiser.zero_grad()
            loss(model(inputs[k % 8]), labels[k % 8]).backward()
            optimiser.step()

    run(steps // 4 + 1)
    begin = time.perf_counter()
    run(steps)
    return steps * batch / (time.perf_counter() - begin)


def our_rate(binary, batch):
    out = subprocess.run([binary, str(batch), "1"], capture_output=True, text=True, check=True)
    answer = json.loads(out.stdout)
    return answer["samples_per_second"]["median"], answer["backend"]


def main():
    if len(sys.argv) == 3 and sys.argv[1] == CHILD:
        print(torch_rate(int(sys.argv[2])))
        return
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=str(root / "build/release/bin/mlp_bench"))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    environment = dict(os.environ, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1",
                       OPENBLAS_NUM_THREADS="1")
    results = []
    for batch in (64, 256):
        ours, torchs, ratios = [], [], []
        for _ in range(options.rounds):
            rate, backend = our_rate(options.binary, batch)
            child = subprocess.run([sys.executable, __file__, CHILD, str(batch)], check=True,
                                   capture_output=True, text=True, env=environment)
            ours.append(rate)
            torchs.append(float(child.stdout))
            ratios.append(ours[-1] / torchs[-1])
        results.append({
            "batch": batch, "backend": backend,
            "ours": round(statistics.median(ours)), "torch": round(statistics.median(torchs)),
            "ratio": round(statistics.median(ratios), 3),
            "ratio_low": round(min(ratios), 3), "ratio_high": round(max(ratios), 3)})
    print(json.dumps({"bench": "mlp_vs_torch", "rounds": options.rounds, "results": results}))


if __name__ == "__main__":
    main()
