#!/usr/bin/env python3
"""Makes the golden data of tests/unit/optim/golden_test.cc with PyTorch (made with 1.13.1).

    /usr/bin/python3 tests/golden/optim/make_golden.py

Every file is a flat float64 .npy beside this script.
  gradients          STEPS x DIM, what the optimisers are fed
  start              DIM
  adam, adam_decay, rmsprop, adagrad
                     STEPS x DIM, the parameters after every step
  mlp_inputs         ROWS x 5; mlp_params, mlp_gradient, mlp_direction, mlp_product: the 5-7-4-3
                     ReLU network with mean cross-entropy, labels i mod 3, its gradient and its
                     Hessian times the direction; mlp_loss: one number
"""
import pathlib

import numpy as np
import torch

STEPS, DIM, ROWS = 25, 6, 11
SIZES = [5, 7, 4, 3]
HERE = pathlib.Path(__file__).resolve().parent


def save(name, values):
    np.save(HERE / f"{name}.npy", np.asarray(values, dtype=np.float64).reshape(-1))


def trajectory(make, start, gradients):
    x = torch.tensor(start, requires_grad=True)
    optimiser = make([x])
    path = []
    for g in gradients:
        x.grad = torch.tensor(g)
        optimiser.step()
        path.append(x.detach().numpy().copy())
    return path


def optimisers(rng):
    gradients = rng.normal(size=(STEPS, DIM)) * np.logspace(-3, 2, DIM)
    start = rng.normal(size=DIM)
    save("gradients", gradients)
    save("start", start)
    optim = torch.optim
    save("adam", trajectory(
        lambda p: optim.Adam(p, lr=0.01, betas=(0.9, 0.999), eps=1e-8), start, gradients))
    save("adam_decay", trajectory(
        lambda p: optim.Adam(p, lr=0.01, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1),
        start, gradients))
    save("rmsprop", trajectory(
        lambda p: optim.RMSprop(p, lr=0.01, alpha=0.99, eps=1e-8), start, gradients))
    save("adagrad", trajectory(
        lambda p: optim.Adagrad(p, lr=0.05, eps=1e-10), start, gradients))


def unflatten(flat):
    layers, at = [], 0
    for inputs, outputs in zip(SIZES, SIZES[1:]):
        w = flat[at:at + inputs * outputs].reshape(outputs, inputs)
        at += inputs * outputs
        layers.append((w, flat[at:at + outputs]))
        at += outputs
    return layers


def mlp(rng):
    inputs = torch.tensor(rng.normal(size=(ROWS, SIZES[0])).astype(np.float32)).double()
    labels = torch.arange(ROWS) % SIZES[-1]
    dim = sum((i + 1) * o for i, o in zip(SIZES, SIZES[1:]))
    params = torch.tensor(rng.normal(size=dim) * 0.7)
    direction = torch.tensor(rng.normal(size=dim))

    def loss(flat):
        a = inputs
        layers = unflatten(flat)
        for l, (w, b) in enumerate(layers):
            a = a @ w.T + b
            if l + 1 < len(layers):
                a = torch.relu(a)
        return torch.nn.functional.cross_entropy(a, labels)

    value = torch.autograd.functional.vhp(loss, params, direction)
    save("mlp_inputs", inputs)
    save("mlp_params", params)
    save("mlp_direction", direction)
    save("mlp_loss", [value[0].item()])
    save("mlp_product", value[1])
    save("mlp_gradient", torch.autograd.functional.jacobian(loss, params))


if __name__ == "__main__":
    generator = np.random.default_rng(20240601)
    optimisers(generator)
    mlp(generator)
