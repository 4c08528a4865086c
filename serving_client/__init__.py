"""The TF Serving API for people: no TensorFlow needed."""
