"""The Keras model: a pretrained encoder, a head, and the novelty of a text."""
