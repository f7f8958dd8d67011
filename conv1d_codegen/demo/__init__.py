"""`python -m conv1d_codegen demo`: heartbeats in a recorded ECG, found by compiled Conv1D layers and by a trained network.

detector.py   the filters, each a layer, and the recording
network.py    the network that was trained (`beats.keras`)
run.py        what is found, and whether it is right
timing.py     how long each filter takes, compiled and otherwise
picture.py    a picture of both
"""
