"""Batching: what is joined, what is refused, and that clients do not notice."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from model_server.batching.graph import BatchingGraph
from model_server.batching.parameters import BatchingParameters
from model_server.batching.run_cost import RunCost
from model_server.batching.task import Task
from model_server.batching.waiting import cut
from model_server.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    ResourceExhaustedError,
    UnavailableError,
)
from model_server.metrics import Metrics
from model_server.runtime.tensor import from_strings
from serving_client.services import PREDICT


class Echo:
    """A graph that gives its inputs back, stops at a gate, and dislikes b"bad"."""

    def __init__(self, gate=None):
        self.gate = gate
        self.entered = threading.Semaphore(0)
        self.runs = []
        self.values = []

    def run(self, feeds, fetches, timeout_ms=None):
        values = feeds[0][1].strings()
        self.runs.append(feeds[0][1].shape)
        self.values.append(values)
        self.entered.release()
        if self.gate:
            assert self.gate.wait(20)
        if b"bad" in values:
            raise InvalidArgumentError("bad")
        if "scalar" in fetches:
            return [from_strings([b"x"], ())]
        if "short" in fetches:
            return [from_strings([b"x"])]
        return [feeds[0][1] for _ in fetches]


def graph(inner, **parameters):
    return BatchingGraph(inner, BatchingParameters(**parameters), Metrics())


def feed(*values, shape=None):
    return [("x", from_strings([v.encode() for v in values], shape))]


@pytest.fixture
def pool():
    with ThreadPoolExecutor(32) as pool:
        yield pool


def full_house(inner, batching, pool, *requests, fetches=("y",)):
    """Hold one run at the gate, queue the others behind it, then let all go."""
    first = pool.submit(batching.run, feed("first"), fetches)
    assert inner.entered.acquire(timeout=20)
    queued = []
    for request in requests:
        before = batching.waiting_rows
        queued.append(pool.submit(batching.run, request, fetches))
        while not queued[-1].done() and batching.waiting_rows == before:
            pass
    inner.gate.set()
    return first, queued


def test_requests_that_wait_are_run_together_and_get_their_own_rows(pool):
    inner = Echo(threading.Event())
    batching = graph(inner, threads=1)
    _, queued = full_house(inner, batching, pool, feed("a"), feed("b", "c"), feed("d"))
    assert [f.result()[0].strings() for f in queued] == [[b"a"], [b"b", b"c"], [b"d"]]
    assert inner.runs == [(1,), (4,)]


def test_a_bad_request_fails_alone(pool):
    inner = Echo(threading.Event())
    batching = graph(inner, threads=1)
    _, queued = full_house(inner, batching, pool, feed("a"), feed("bad"), feed("c"))
    assert queued[0].result()[0].strings() == [b"a"]
    with pytest.raises(InvalidArgumentError):
        queued[1].result()
    assert queued[2].result()[0].strings() == [b"c"]


def test_a_full_queue_refuses_at_once(pool):
    inner = Echo(threading.Event())
    batching = graph(inner, threads=1, max_batch_size=2, max_enqueued_batches=1)
    first = pool.submit(batching.run, feed("a", "b"), ("y",))
    inner.entered.acquire()
    waiting = pool.submit(batching.run, feed("c", "d"), ("y",))
    while not batching.waiting_rows:
        pass
    with pytest.raises(UnavailableError, match="is full; currently 1 batches enqueued and max_enq"):
        batching.run(feed("e"), ("y",))
    inner.gate.set()
    assert first.result()[0].shape == waiting.result()[0].shape == (2,)


def test_batches_are_filled_up_to_an_allowed_size():
    inner = Echo()
    batching = graph(inner, max_batch_size=8, allowed_batch_sizes=(1, 4, 8))
    assert batching.run(feed("a", "b"), ("y",))[0].strings() == [b"a", b"b"]
    assert inner.runs == [(4,)]
    assert inner.values == [[b"a", b"b", b"a", b"a"]]  # the first row of the last request


def test_large_requests_are_split_and_put_together():
    inner = Echo()
    batching = graph(inner, max_execution_batch_size=2, split_large_batches=True)
    assert batching.run(feed(*"abcde"), ("y",))[0].strings() == [b"a", b"b", b"c", b"d", b"e"]
    assert sorted(inner.runs) == [(1,), (2,), (2,)]


def test_a_full_queue_says_what_it_could_still_take_when_it_splits(pool):
    inner = Echo(threading.Event())
    batching = graph(
        inner,
        threads=1,
        max_execution_batch_size=2,
        split_large_batches=True,
        max_enqueued_batches=2,
    )
    first = pool.submit(batching.run, feed("a"), ("y",))
    inner.entered.acquire()
    waiting = pool.submit(batching.run, feed("b", "c", "d"), ("y",))
    while batching.waiting_rows < 3:
        pass
    with pytest.raises(
        UnavailableError,
        match=r"is full; task size is 2 but scheduling capacity is only 1 "
        r"\(num_enqueued_batches=2, max_enqueued_batches=2, open_batch_size=1, "
        r"max_execution_batch_size=2\)",
    ):
        batching.run(feed("e", "f"), ("y",))
    inner.gate.set()
    assert first.result()[0].strings() == [b"a"]
    assert waiting.result()[0].strings() == [b"b", b"c", b"d"]


def test_shapes_that_cannot_be_joined_run_apart(pool):
    inner = Echo(threading.Event())
    batching = graph(inner, threads=1)
    wide = feed("a", "b", shape=(1, 2))
    _, queued = full_house(inner, batching, pool, feed("c"), wide)
    assert [f.result()[0].shape for f in queued] == [(1,), (1, 2)]
    assert len(inner.runs) == 3


def test_variable_lengths_are_padded_when_asked(pool):
    inner = Echo(threading.Event())
    batching = graph(inner, threads=1, pad_variable_length_inputs=True)
    wide, long = feed("a", "b", shape=(1, 2)), feed("c", "d", "e", shape=(1, 3))
    _, queued = full_house(inner, batching, pool, wide, long)
    assert queued[0].result()[0].strings() == [b"a", b"b", b"a"]
    assert inner.runs[1] == (2, 3)


def task(text):
    return Task(feed(text), 1, None, padded=False)


def test_texts_of_like_length_are_cut_from_the_queue_with_the_oldest_among_them():
    queue = [task("x" * length) for length in (100, 11, 10, 12, 95, 105)]
    assert [t.length for t in cut(queue, rows=10, padding=20)] == [105, 100, 95]
    assert [t.length for t in cut(queue[1:], rows=10, padding=20)] == [12, 11, 10]
    assert len(cut(queue, rows=10, padding=float("inf"))) == 6
    assert [t.length for t in cut(queue, rows=2, padding=float("inf"))] == [105, 100]


def test_what_a_run_costs_is_learned_from_the_runs():
    cost = RunCost()
    assert cost.padding == float("inf")
    cost.observe(1, 9.0)  # the first run optimises the graph: it does not count
    for size in (10, 80, 300, 20, 160, 40):
        cost.observe(size, 0.5 + 0.01 * size)
    assert cost.padding == pytest.approx(50)
    for size in (10, 80, 300, 20, 160, 40) * 20:
        cost.observe(size, 0.5)  # a GPU: rows are free
    assert cost.padding > 10_000


def test_long_texts_do_not_wait_behind_a_batch_of_short_ones(pool):
    inner = Echo(threading.Event())
    batching = graph(inner, threads=1)
    key = batching._key(feed("a"), ("y",))
    for size in (10, 20, 30, 40, 50, 60):
        batching._waiting.cost(key).observe(size, 0.1 + 0.01 * size)
    short, long = feed("s"), feed("l" * 500)
    _, queued = full_house(inner, batching, pool, short, long, short, long)
    assert [len(f.result()[0].strings()[0]) for f in queued] == [1, 500, 1, 500]
    assert inner.runs == [(1,), (2,), (2,)]


def test_a_wait_beyond_the_deadline(pool):
    inner = Echo(threading.Event())
    batching = graph(inner, threads=1)
    first = pool.submit(batching.run, feed("a"), ("y",))
    inner.entered.acquire()
    late = pool.submit(batching.run, feed("b"), ("y",), 1)
    while not batching.waiting_rows:
        pass
    threading.Event().wait(0.01)  # the deadline itself is what is waited for
    inner.gate.set()
    first.result()
    with pytest.raises(ResourceExhaustedError, match="Run\\(\\) timeout exceeded while waiting"):
        late.result()


@pytest.mark.parametrize(
    ("feeds", "fetches", "error", "message"),
    [
        (lambda: [], ["y"], InvalidArgumentError, "must have at least one input tensor"),
        (lambda: feed("a", shape=()), ["y"], InvalidArgumentError, "must have at least one dim"),
        (lambda: feed("a") + feed("b", "c"), ["y"], InvalidArgumentError, "equal 0th-dimension"),
        (lambda: feed(*"abcd"), ["y"], InvalidArgumentError, "Task size 4 is larger than maximum"),
        (lambda: feed("a"), ["scalar"], FailedPreconditionError, "has 0 dimensions"),
        (lambda: feed("a", "b"), ["short"], FailedPreconditionError, "0th dimension does not eq"),
    ],
)
def test_refused(feeds, fetches, error, message):
    with pytest.raises(error, match=message):
        graph(Echo(), max_batch_size=3).run(feeds(), fetches)


@pytest.fixture(scope="module")
def server(models, start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("batching")
    (folder / "models").write_text(
        "model_config_list {"
        + "".join(
            f'config {{ name: "{n}" base_path: "{models / n}" model_platform: "tensorflow" }}'
            for n in ("half", "text")
        )
        + "}"
    )
    (folder / "batching").write_text(
        "max_batch_size { value: 64 } batch_timeout_micros { value: 2000 } "
        "num_batch_threads { value: 1 } max_enqueued_batches { value: 100 }"
    )
    (folder / "monitoring").write_text("prometheus_config { enable: true }")
    return start(
        f"--model_config_file={folder / 'models'}",
        "--enable_batching",
        f"--batching_parameters_file={folder / 'batching'}",
        f"--monitoring_config_file={folder / 'monitoring'}",
    )


def test_answers_are_those_without_batching(server, api, pool):
    def ask(index):
        text = f"disk {index} " + "x" * index
        answer = server.call(PREDICT, api.predict("text", {"text": [text]}, only=["upper"]))
        return answer.outputs["upper"].string_val[0].decode() == text.upper()

    assert all(pool.map(ask, range(200)))
    page = server.http("GET", "/monitoring/prometheus/metrics")[1]
    runs = page.split(":tensorflow:serving:batching_session:wrapped_run_count{} ")[1].split("\n")[0]
    assert int(runs) < 200
    assert ":tensorflow:serving:batching_session:input_batch_size_count{} 200" in page


def test_batching_errors_reach_the_client(server, api, refused):
    with refused("INVALID_ARGUMENT", "Task size 65 is larger than maximum input batch size 64"):
        server.call(PREDICT, api.predict("half", {"x": [[1.0]] * 65}))
    with refused("INVALID_ARGUMENT", "Batching Run() input tensors must have at least one dim"):
        server.call(PREDICT, api.predict("half", {"x": 1.0}))
    with refused("INVALID_ARGUMENT", "Batching Run() input tensors must have equal 0th-dim"):
        request = api.predict("half", {"a": [1.0], "b": [1.0, 2.0]}, signature="both")
        server.call(PREDICT, request)


def test_parameters_of_each_model(place, start, api, refused, tmp_path):
    staging = place("half/1", tmp_path / "staging", 1)
    (staging / "batching_params.pbtxt").write_text("max_batch_size { value: 2 }")
    (tmp_path / "half").mkdir()
    staging.rename(tmp_path / "half" / "1")
    server = start(
        "--model_name=half",
        f"--model_base_path={tmp_path}/half",
        "--enable_batching",
        "--enable_per_model_batching_parameters",
    )
    assert server.call(PREDICT, api.predict("half", {"x": [[1.0]] * 2})).outputs
    with refused("INVALID_ARGUMENT", "Task size 3 is larger than maximum input batch size 2"):
        server.call(PREDICT, api.predict("half", {"x": [[1.0]] * 3}))
