"""The REST API, from the specification's tables."""

import gzip
import json
import socket

import pytest


@pytest.fixture(scope="module")
def server(models, start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rest")
    listed = "".join(
        f'config {{ name: "{name}" base_path: "{models / name}" model_platform: "tensorflow" }}'
        for name in ("half", "text", "classic", "dtypes")
    )
    (folder / "models").write_text(f"model_config_list {{ {listed} }}")
    (folder / "monitoring").write_text("prometheus_config { enable: true }")
    return start(
        f"--model_config_file={folder / 'models'}",
        f"--monitoring_config_file={folder / 'monitoring'}",
        "--rest_api_enable_cors_support",
    )


def post(server, path, body):
    status, text, headers = server.http("POST", f"/v1/models/{path}", body)
    assert headers["Content-Type"] == "application/json"
    return status, json.loads(text)


def fails(server, path, body, status, message):
    got, answer = post(server, path, body)
    assert (got, answer["error"][: len(message)]) == (status, message)


BOTH = "both"


def test_rows(server):
    assert post(server, "half:predict", {"instances": [[1.0], [3]]}) == (
        200,
        {"predictions": [[3.5], [4.5]]},
    )
    rows = [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}]
    assert post(server, "half:predict", {"signature_name": BOTH, "instances": rows})[1] == {
        "predictions": [
            {"sum": 3.0, "difference": -1.0},
            {"sum": 7.0, "difference": -1.0},
        ]
    }
    assert post(server, "half/versions/2:predict", {"instances": [{"x": [1.0]}]})[0] == 200


def test_columns(server):
    assert post(server, "half:predict", {"inputs": [[1.0]]})[1] == {"outputs": [[3.5]]}
    assert post(server, "half:predict", {"inputs": {"x": 1.0}})[1] == {"outputs": 3.5}
    body = {"signature_name": BOTH, "inputs": {"a": [1.0], "b": [2.0], "extra": 1}}
    assert post(server, "half:predict", body)[1] == {
        "outputs": {"sum": [3.0], "difference": [-1.0]}
    }


def test_text_and_base64(server):
    body = {"signature_name": "text_to_bytes", "instances": ["é", {"b64": "/w=="}]}
    assert post(server, "classic:predict", body)[1] == {
        "predictions": [
            {"raw_bytes": {"b64": "w6k="}, "length": 2},
            {"raw_bytes": {"b64": "/w=="}, "length": 1},
        ]
    }
    text = server.http("POST", "/v1/models/text:predict", {"inputs": ['a"\\/\n\u00e9']})[1]
    assert '"A\\"\\\\/\\n\u00e9"' in text
    # Bytes that are no UTF-8 come back as they are, unchecked.
    answer = server.http("POST", "/v1/models/text:predict", b'{"inputs": ["\xff"]}')[1]
    assert '"\udcff"' in answer


@pytest.mark.parametrize(
    ("body", "written"),
    [
        (b'{"instances": [3, 9000000, 0.1]}', "[3.0, 9e+06, 0.1\n    ]"),
        (b'{"instances": [NaN, Inf, -Infinity, 1e99]}', "[NaN, Infinity, -Infinity, Infinity\n"),
        (b'{"instances": [0.426006019]} and more', "[0.426006019\n    ]"),
    ],
)
def test_numbers_are_written_as_tf_serving_does(server, body, written):
    body = body.replace(b"{", b'{"signature_name": "float32", ', 1)
    status, text, _ = server.http("POST", "/v1/models/dtypes:predict", body)
    assert (status, text.startswith('{\n    "predictions": ' + written)) == (200, True), text


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("float64", [0.1, 1e300]),
        ("int32", [-(2**31), 5]),
        ("int64", [-(2**63), 2**63 - 1]),
        ("uint8", [255]),
        ("uint32", [2**32 - 1]),
        ("uint64", [2**64 - 1]),
        ("bool", [True, False]),
        ("string", ["a", ""]),
    ],
)
def test_data_types(server, dtype, values):
    body = {"signature_name": dtype, "instances": values}
    assert post(server, "dtypes:predict", body)[1] == {"predictions": values}


def test_layout(server):
    body = {"signature_name": BOTH, "instances": [{"a": 1.0, "b": 2.0}]}
    assert server.http("POST", "/v1/models/half:predict", body)[1] in {
        '{\n    "predictions": [\n        {\n            "sum": 3.0,\n'
        '            "difference": -1.0\n        }\n    ]\n}',
        '{\n    "predictions": [\n        {\n            "difference": -1.0,\n'
        '            "sum": 3.0\n        }\n    ]\n}',
    }
    text = server.http("POST", "/v1/models/half:predict", {"inputs": [[1.0]]})[1]
    assert text == '{\n    "outputs": [\n        [\n            3.5\n        ]\n    ]\n}'


I = {"instances": [[1.0]]}  # noqa: E741 - the format's own letter
S = {"signature_name": BOTH}
BAD = [
    ("half", "", 400, "JSON Parse error: The document is empty"),
    ("half", "{nonsense", 400, "JSON Parse error: Missing a name for object member. at offset: 1"),
    ("half", '{"instances": [1', 400, "JSON Parse error: "),
    ("half", "[" * 100_000, 400, "JSON Parse error: "),
    ("half", '{"a": ' * 100_000, 400, "JSON Parse error: "),
    ("half", '{"a": "\\ud800"}', 400, "JSON Parse error: The surrogate pair in string is invalid."),
    (
        "half",
        b'{"signature_name": "\xff", "inputs": 1}',
        400,
        'Serving signature name: "\ufffd" not',
    ),
    ("half", "[1]", 400, "JSON Value: [\n    1\n] Is not object"),
    ("half", {"signature_name": 5}, 400, "JSON Value: {"),
    ("nobody", I, 404, "Servable not found for request: Latest(nobody)"),
    ("half/versions/9", I, 404, "Servable not found for request: Specific(half, 9)"),
    ("half/labels/no", I, 400, "Unrecognized servable version label: no"),
    ("half", {**I, "signature_name": "no"}, 400, 'Serving signature name: "no" not found in sig'),
    ("half", {**I, "inputs": 1}, 400, "JSON Value: {"),
    ("half", {}, 400, "Missing 'inputs' or 'instances' key"),
    ("half", {"instances": 1}, 400, "JSON Value: 1 Expecting 'instances' to be an list/array"),
    ("half", {"instances": []}, 400, "JSON Value: [] No values in 'instances' array"),
    ("half", {**S, "instances": [1]}, 400, "instances is a plain list, but expecting list of obj"),
    (
        "half",
        {"instances": [[1], {"x": [1]}]},
        400,
        "Expecting value/list but got object at item",
    ),
    ("half", {"instances": [{"x": [1]}, [1]]}, 400, "Expecting object but got list at item 1 of"),
    (
        "half",
        {**S, "instances": [{"a": 1}]},
        400,
        "Failed to process element: 0 key: b of 'instances' list. Error: INVALID_ARGUMENT: JSON "
        "object: does not have named input: b",
    ),
    (
        "half",
        {**S, "instances": [{"a": 1, "b": 1, "c": 1}]},
        400,
        "Failed to process element: 0 of 'instances' list. JSON object: {",
    ),
    (
        "half",
        {"instances": [[1], [1, 2]]},
        400,
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting "
        "tensor size: 1 but got: 2",
    ),
    (
        "half",
        {"instances": [[1], [[1]]]},
        400,
        "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting "
        "shape [1] but got: [1,1]",
    ),
    (
        "half",
        {"instances": [["a"]]},
        400,
        "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: "
        '"a" Type: String is not of expected type: float',
    ),
    ("half", {**S, "inputs": {"a": [1]}}, 400, "Missing named input: b in 'inputs' object."),
    ("half", {**S, "inputs": [1]}, 400, "inputs is a plain value/list, but expecting an object"),
    ("half", {"inputs": [[1], [1, 2]]}, 400, "Encountered list at unexpected size: 2 at level: 1"),
    ("half", {"inputs": [1, [1]]}, 400, "Encountered list at unexpected level: 1 expected < 1"),
    ("half", {"inputs": [[1], 1]}, 400, "JSON Value: 1 found at incorrect level: 1 in the JSON"),
    ("text", {"inputs": [{"b64": 1}]}, 400, "JSON Value: {"),
    ("text", {"inputs": [{"b64": "!"}]}, 400, "Unable to base64 decode"),
    (
        "dtypes",
        {"signature_name": "int32", "inputs": [1.0]},
        400,
        "JSON Value: 1.0 Type: Number is not of expected type: int32",
    ),
    (
        "dtypes",
        {"signature_name": "float16", "inputs": [1.0]},
        501,
        "Conversion of JSON Value: 1.0 to type: half",
    ),
    ("half", {"signature_name": "spin", "instances": [1]}, 400, ""),
]


@pytest.mark.parametrize(("path", "body", "status", "message"), BAD)
def test_predict_refused(server, path, body, status, message):
    fails(server, f"{path}:predict", body, status, message)


@pytest.mark.parametrize(
    ("verb", "path", "status", "message"),
    [
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/models/half:predict", 400, "Malformed request: GET /v1/models/half:predict"),
        ("POST", "/v1/models/half/metadata", 400, "Malformed request: POST"),
        ("POST", "/v1/models/half:Predict", 400, "Malformed request: POST"),
        ("POST", "/v1/models/half:predict?x=1", 400, "Malformed request: POST"),
        ("GET", "/v1/models/half/versions/1/labels/a", 400, "Malformed request: GET"),
        ("PUT", "/v1/models/half", 400, "Malformed request: PUT /v1/models/half"),
        ("DELETE", "/v1/x", 400, "Malformed request: DELETE /v1/x"),
        ("PATCH", "/v1/models/half", 400, "Malformed request: PATCH /v1/models/half"),
        ("GET", "/v1/models/half/versions/x", 400, "Malformed request: GET"),
        ("GET", "/v1/models/", 400, "M"),
        ("POST", "/v1/models/half/versions/2/labels/a:predict", 400, "Malformed request: POST"),
        ("GET", "/v1/models/half/labels/no/metadata", 400, "Unrecognized servable version label"),
        (
            "GET",
            "/v1/models/half/versions/99999999999999999999",
            400,
            "Failed to convert version: 99999999999999999999 to numeric.",
        ),
        ("GET", "/v1/models/nobody", 404, "Could not find any versions of model nobody"),
    ],
)
def test_routes_refused(server, verb, path, status, message):
    got, text, _ = server.http(verb, path)
    assert (got, json.loads(text)["error"][: len(message)]) == (status, message)


def test_other_paths_are_not_part_of_the_api(server):
    status, text, headers = server.http("GET", "/elsewhere")
    assert (status, headers["Content-Type"]) == (404, "text/html")
    assert text.startswith("<HTML>")


@pytest.mark.parametrize(
    "path", ["/v1/models/half", "/V1/MODELS/half/Versions/2", "/v1/models/half/labels/ignored"]
)
def test_status(server, path):
    status, text, _ = server.http("GET", path)
    assert status == 200
    assert json.loads(text) == {
        "model_version_status": [
            {
                "version": "2",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }


def test_metadata(server):
    answer = json.loads(server.http("GET", "/v1/models/half/metadata")[1])
    assert answer["model_spec"] == {"name": "half", "signature_name": "", "version": "2"}
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert set(signature) == {"inputs", "outputs", "method_name", "defaults"}
    assert signature["inputs"]["x"] == {
        "dtype": "DT_FLOAT",
        "name": "serving_default_x:0",
        "tensor_shape": {
            "dim": [{"name": "", "size": "-1"}, {"name": "", "size": "1"}],
            "unknown_rank": False,
        },
    }


def test_classify_and_regress(server):
    body = {"signature_name": "classify", "examples": [{"x": 0.25}, {"x": [0.5]}]}
    assert post(server, "classic:classify", body)[1] == {
        "results": [[["low", 0.5], ["high", 0.5]], [["low", 0.0], ["high", 1.0]]]
    }
    body = {"context": {"x": 1.5}, "examples": [{}, {"x": 2.5}]}
    text = server.http("POST", "/v1/models/classic:regress", body)[1]
    assert text == '{\n    "results": [3.0, 5.0]\n}'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "JSON Value: {} When method is regress, key 'examples' is expected and was not found"),
        ({"examples": 1}, "JSON Value: {"),
        ({"examples": []}, "JSON Value: {"),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        (
            {"examples": [{"x": {"y": 1}}]},
            "Feature: x has element with unexpected JSON type: O",
        ),
        (
            {"examples": [{"x": [1.5, "a"]}]},
            "Unexpected element type in feature: x expecting",
        ),
        (
            {"examples": [{"x": 2**63}]},
            "Feature: x has uint64_t element. Only int64_t is",
        ),
        ({"examples": [{"x": 1}]}, "Name: <unknown>, Key: x, Index: 0.  Data types don't match."),
    ],
)
def test_regress_refused(server, body, message):
    fails(server, "classic:regress", body, 400, message)


def test_gzip_and_chunks(server):
    packed = gzip.compress(b'{"instances": [[1.0]]}')
    headers = {"Content-Encoding": "gzip"}
    assert server.http("POST", "/v1/models/half:predict", packed, headers)[0] == 200
    status, text, _ = server.http("POST", "/v1/models/half:predict", packed[:-3], headers)
    assert (status, "The document is empty" in text) == (400, True)
    with socket.create_connection(server.rest.split(":")) as raw:
        raw.sendall(
            b"POST /v1/models/half:predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            b'a\r\n{"instance\r\nc\r\ns": [[1.0]]}\r\n0\r\n\r\n'
        )
        assert raw.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_head_has_the_status_without_a_body(server):
    status, text, headers = server.http("HEAD", "/v1/models/half")
    assert (status, text, headers["Content-Type"]) == (400, "", "application/json")


def test_cors(server):
    status, text, headers = server.http("OPTIONS", "/v1/x", headers={"Origin": "http://here"})
    assert (status, text, headers["Access-Control-Allow-Origin"]) == (200, "", "*")
    assert server.http("OPTIONS", "/v1/x")[0] == 400
    headers = server.http("GET", "/v1/models/nobody")[2]
    assert headers["Access-Control-Allow-Methods"] == "POST, GET"
    assert headers["Access-Control-Allow-Headers"] == "Content-Type"


@pytest.mark.ours("bounds of a REST request")
@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /v1/x HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/x HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST /v1/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000,
    ],
)
def test_broken_http_is_refused_at_once(server, sent):
    with socket.create_connection(server.rest.split(":"), timeout=10) as raw:
        raw.sendall(sent)
        assert raw.recv(20).startswith(b"HTTP/1.1 4")


def test_prometheus(server):
    server.http("POST", "/v1/models/half:predict", I)
    server.http("POST", "/v1/models/nobody:predict", I)
    server.http("GET", "/v1/bad")
    status, text, headers = server.http("GET", "/monitoring/prometheus/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain")
    assert "# TYPE :tensorflow:serving:request_count counter" in text
    assert ':tensorflow:serving:request_count{model_name="nobody",status="NOT_FOUND"}' in text
    assert ':tensorflow:serving:request_count{model_name="",status="INVALID_ARGUMENT"}' in text
    labels = 'model_name="half",API="predict",entrypoint="REST"'
    assert f':tensorflow:serving:request_latency_bucket{{{labels},le="10"}}' in text
    assert f':tensorflow:serving:request_latency_bucket{{{labels},le="+Inf"}}' in text
    assert f":tensorflow:serving:request_latency_count{{{labels}}}" in text
    runtime = 'model_name="half",API="Predict",runtime="TF1"'
    assert f":tensorflow:serving:runtime_latency_sum{{{runtime}}}" in text
    assert "# TYPE :tensorflow:serving:batching_session:padding_size histogram" in text
    status, text, _ = server.http("GET", "/monitoring/prometheus/metrics?x")
    assert (status, text) == (
        400,
        "Unexpected path: /monitoring/prometheus/metrics?x. "
        "Should be /monitoring/prometheus/metrics",
    )
