"""The sweep of `bench_sweep_jax.py` as JAX would do it, run by an interpreter that has JAX and optax.

    python jax_sweep.py workload.npz losses.npy

All trainings are one `jit(vmap(scan))`; weights, data and rates are read, losses of every step are written.
"""

# pyright: reportMissingImports=false
# (run by another interpreter than the one this project is checked with)

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax


def forward(weights, inputs):
    hidden = inputs
    for matrix, bias in weights[:-1]:
        hidden = jnp.tanh(hidden @ matrix.T + bias)
    matrix, bias = weights[-1]
    return hidden @ matrix.T + bias


def loss(weights, inputs, targets):
    return jnp.mean((forward(weights, inputs) - targets) ** 2)


def train(rate, weights, inputs, targets, steps):
    optimizer = optax.adam(rate)

    def step(carry, number):
        weights, state = carry
        place = number % inputs.shape[0]
        value, gradients = jax.value_and_grad(loss)(weights, inputs[place], targets[place])
        updates, state = optimizer.update(gradients, state)
        return (optax.apply_updates(weights, updates), state), value

    return jax.lax.scan(step, (weights, optimizer.init(weights)), jnp.arange(steps))[1]


def main(source, target):
    given = np.load(source)
    layers = sum(name.startswith("matrix") for name in given.files)
    weights = [(jnp.asarray(given[f"matrix{k}"]), jnp.asarray(given[f"bias{k}"])) for k in range(layers)]
    inputs, targets, steps = jnp.asarray(given["inputs"]), jnp.asarray(given["targets"]), int(given["steps"])
    many = jax.jit(jax.vmap(lambda rate, own: train(rate, own, inputs, targets, steps)))
    np.save(target, np.asarray(many(jnp.asarray(given["rates"]), weights)))


if __name__ == "__main__":
    main(*sys.argv[1:])
