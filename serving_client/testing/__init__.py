"""A TF Serving for tests: a real gRPC server in the test's process, its models Python functions.

    from serving_client import Client
    from serving_client.testing import FakeServer

    def shout(inputs):
        return {"loud": [text.upper() for text in inputs["text"]]}

    with FakeServer() as server, Client(server.address) as client:
        server.add("shout", shout, version=2)
        server.fail("UNAVAILABLE", times=1)             # retried by the client
        assert client.predict("shout", "hey").text("loud") == ["HEY"]

`server.set_label`, `set_state`, `delay`, `fail`, `heal`, `stop`, `start` and `restart` play what
happens in production; `server.calls` tells what came in. As a fixture: `pytest_plugins =
["serving_client.testing.fixtures"]`, then ask for `serving_server`.
"""

from serving_client.testing.faults import ReceivedCall
from serving_client.testing.models import ModelFunction
from serving_client.testing.server import FakeServer

__all__ = ["FakeServer", "ModelFunction", "ReceivedCall"]
