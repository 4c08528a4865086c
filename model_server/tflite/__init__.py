"""TensorFlow Lite models: the interpreter of ai-edge-litert behind the interface of a session."""
