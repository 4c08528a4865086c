"""Batching parameters: files, defaults, and what is refused."""

import os

import pytest

from model_server.batching.parameters import Batching, BatchingParameters, read_parameters
from model_server.errors import InvalidArgumentError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threads": 0}, "num_batch_threads must be positive; was 0"),
        ({"max_batch_size": -1}, "input_batch_size_limit must be positive; was -1"),
        ({"max_enqueued_batches": 0}, "max_enqueued_batches must be positive; was 0"),
        (
            {"batch_timeout_seconds": -1.0},
            "batch_timeout_micros must be non-negative; was -1000000",
        ),
        (
            {"allowed_batch_sizes": (1, 2)},
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 2; "
            "expected 1000",
        ),
    ],
)
def test_impossible_parameters(settings, message):
    with pytest.raises(InvalidArgumentError) as error:
        BatchingParameters(**settings)
    assert error.value.message == message


def test_the_file_says_how_and_leaves_tf_servings_defaults(tmp_path):
    file = tmp_path / "batching"
    file.write_text("")
    defaults = read_parameters(str(file))
    assert defaults == BatchingParameters(
        max_batch_size=1000,
        batch_timeout_seconds=0.0,
        max_enqueued_batches=10,
        threads=os.cpu_count(),
        max_execution_batch_size=1000,
    )
    file.write_text(
        "max_batch_size { value: 8 } batch_timeout_micros { value: 500 } "
        "max_enqueued_batches { value: 3 } num_batch_threads { value: 5 } "
        'thread_pool_name { value: "t" } allowed_batch_sizes: 2 allowed_batch_sizes: 4 '
        "pad_variable_length_inputs: true enable_large_batch_splitting { value: true } "
        "max_execution_batch_size { value: 4 }"
    )
    assert read_parameters(str(file)) == BatchingParameters(
        max_batch_size=8,
        batch_timeout_seconds=0.0005,
        max_enqueued_batches=3,
        threads=5,
        allowed_batch_sizes=(2, 4),
        pad_variable_length_inputs=True,
        split_large_batches=True,
        max_execution_batch_size=4,
    )


def test_a_version_with_a_file_of_its_own_is_batched_by_it_and_one_without_is_not(tmp_path):
    shared = BatchingParameters(max_batch_size=7, threads=3)
    assert Batching(shared).parameters(tmp_path) == shared
    assert Batching(shared, per_model=True).parameters(tmp_path) is None
    (tmp_path / "batching_params.pbtxt").write_text("max_batch_size { value: 2 }")
    own = Batching(shared, per_model=True).parameters(tmp_path)
    assert (own.max_batch_size, own.threads) == (2, 3)
    (tmp_path / "batching_params.pbtxt").write_text("max_batch_size: 2")
    with pytest.raises(InvalidArgumentError, match="Invalid protobuf file: "):
        Batching(shared, per_model=True).parameters(tmp_path)


def test_a_parameters_file_needs_batching(start, tmp_path, models):
    (tmp_path / "b").write_text("")
    server = start(
        f"--batching_parameters_file={tmp_path}/b", f"--model_base_path={models}/half", ready=False
    )
    assert server.process.wait(30) == 255
    assert "without enable_batching" in server.process.stdout.read()
