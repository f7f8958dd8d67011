"""`python -m conv1d_codegen demo`: heartbeats in a recorded ECG, found by compiled Conv1D layers.

detector.py   the filters, each a layer, and the recording
run.py        what is found, and whether it is right
timing.py     how long each filter takes, compiled and otherwise
picture.py    a picture of both
"""
