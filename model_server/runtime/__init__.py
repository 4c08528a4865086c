"""TensorFlow through its C API: what TF Serving links, without Python's TensorFlow.

Loading the shared library takes a second where `import tensorflow` takes twelve, the loader is
the C++ one that TF Serving calls, and neither loading nor running a model holds the GIL.
"""
