"""Ask a served model: python examples/client.py 127.0.0.1:8500 fleet "checkout ERROR no space"."""

import sys

from serving_client import Client

address, model, *texts = sys.argv[1:]
with Client(address) as client:
    client.wait_until_ready(model, timeout=60)
    answer = client.predict(model, texts)
    for text, label, score in zip(texts, answer.text("label"), answer["score"], strict=True):
        print(f"{score:.3f} {label} (version {answer.version}): {text}")
