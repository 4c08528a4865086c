"""Prometheus metrics, from the specification's table, and what gRPC carries."""

import re

import grpc
import pytest

from serving_client import protos
from serving_client.services import GET_MODEL_STATUS, MULTI_INFERENCE, PREDICT

TABLE = {
    "request_count": "counter",
    "request_latency": "histogram",
    "runtime_latency": "histogram",
    "request_example_counts": "histogram",
    "request_example_count_total": "counter",
    "request_log_count": "counter",
    "model_warmup_latency": "histogram",
    "model_warmup_records_read": "counter",
    "mlmd_map": "gauge",
    "batching_session:queuing_latency": "histogram",
    "batching_session:wrapped_run_count": "counter",
    "batching_session:padding_size": "histogram",
    "batching_session:input_batch_size": "histogram",
    "batching_session:processed_batch_size": "histogram",
}


@pytest.fixture(scope="module")
def server(models, start, tmp_path_factory):
    file = tmp_path_factory.mktemp("metrics") / "monitoring"
    file.write_text('prometheus_config { enable: true path: "/metrics" }')
    return start(
        "--model_name=classic",
        f"--model_base_path={models}/classic",
        f"--monitoring_config_file={file}",
        "--enable_batching",
    )


def page(server, verb="GET"):
    status, text, headers = server.http(verb, "/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain")
    return text


def value(text, name, **labels):
    inside = ",".join(f'{key}="{text_}"' for key, text_ in labels.items())
    found = re.search(re.escape(f":tensorflow:serving:{name}{{{inside}}} ") + "(.+)", text)
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_every_metric_is_listed_in_order_also_without_points(server, verb):
    kinds = re.findall(r"^# TYPE :tensorflow:serving:(\S+) (\S+)$", page(server, verb), re.M)
    assert [name for name, _ in kinds if name in TABLE] == sorted(TABLE)
    assert {name: kind for name, kind in kinds if name in TABLE} == TABLE


def test_calls_are_counted_by_model_and_status(server, api):
    before = page(server)
    bad = api.predict("classic", {"x": [1.0]}, signature="no")
    good = api.predict("classic", {"text": ["a", "b"]}, signature="text_to_bytes")
    for request in (bad, good, good):
        try:
            server.call(PREDICT, request)
        except grpc.RpcError as error:
            assert error.code().name == "FAILED_PRECONDITION"
    status = protos.GetModelStatusRequest(model_spec=api.spec("classic"))
    server.call(GET_MODEL_STATUS, status)  # not in request_count
    after = page(server)

    def grown(name, **labels):
        return value(after, name, **labels) - value(before, name, **labels)

    assert grown("request_count", model_name="classic", status="OK") == 2
    assert grown("request_count", model_name="classic", status="FAILED_PRECONDITION") == 1
    by_grpc = {"model_name": "classic", "API": "Predict", "entrypoint": "GRPC"}
    assert grown("request_latency_count", **by_grpc) == 2
    assert grown("request_latency_bucket", **by_grpc, le="+Inf") == 2
    runtime = {"model_name": "classic", "API": "Predict", "runtime": "TF1"}
    assert grown("runtime_latency_count", **runtime) == 2
    assert grown("batching_session:wrapped_run_count") == 2
    assert grown("batching_session:input_batch_size_sum") == 4
    assert grown("batching_session:queuing_latency_count", thread_pool_name="") == 2


def test_multi_inference_counts_its_examples(server, api):
    request = protos.MultiInferenceRequest()
    task = request.tasks.add(method_name="tensorflow/serving/regress")
    task.model_spec.CopyFrom(api.spec("classic"))
    for x in (1.0, 2.0, 3.0):
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(x)
    before = page(server)
    server.call(MULTI_INFERENCE, request)
    after = page(server)
    assert (
        value(after, "request_example_count_total", model="classic")
        - value(before, "request_example_count_total", model="classic")
        == 3
    )
    assert value(after, "request_example_counts_sum", model="classic") == 3
    assert value(after, "request_count", model_name="classic", status="OK") == value(
        before, "request_count", model_name="classic", status="OK"
    )


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_messages_beyond_grpcs_usual_four_megabytes(server, api, compression):
    text = "a" * (6 << 20)
    request = api.predict("classic", {"text": [text]}, signature="text_to_bytes")
    call = server.channel.unary_unary(
        PREDICT.path,
        request_serializer=protos.PredictRequest.SerializeToString,
        response_deserializer=protos.PredictResponse.FromString,
    )
    request.output_filter.append("length")
    answer = call(request, timeout=30, compression=compression)
    assert list(answer.outputs["length"].int_val) == [len(text)]
