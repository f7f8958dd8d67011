"""Commands of the command line that are more than a few lines; the others are in `__main__.py`.

arguments.py   what several commands take
explore.py     a page about a kernel
"""
