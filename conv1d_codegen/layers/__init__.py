"""The layer that people call: Keras's `Conv1D`, its arguments, its weights and its configs.

conv1d.py             the layer
base.py               what it shares with Keras's `Layer`
arguments.py          what its arguments may be
execution.py          one call, from the input to the output
arrays.py             what counts as an array
symbolic.py           what stands for an array while a network is built
convolution_op.py     Keras 2.9's hook for subclasses
weights.py            one set of weights, and the kernels that hold it
dtype_policy.py       dtypes of weights, inputs and outputs
activations.py, activation_layers.py, initializers.py, initializer.py, random_initializers.py, regularizers.py,
                      constraints.py   Keras's objects by name
registry.py           names and configs of all of them
legacy_config.py      configs that earlier versions of Keras wrote
stft_windows.py       window functions of an initializer
"""
