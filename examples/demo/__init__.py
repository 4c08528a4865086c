"""The whole chain once, with nothing but the commands a person would type.

Events are simulated (or read from a log), imported, and train a model; the blessed model is served,
scores a live stream, and is compared with the truth as labels arrive. `make demo` starts it::

    python -m examples.demo [--data BGL_2k.log] [--seconds 60] [--workdir .demo]

This package only conducts: every step is one of the real commands in a process of its own, and
what is shown is read from the files they write.
"""
