"""TFX's ImportExampleGen over the last spans: what a model learns from may be more than the newest.

TFX gives an ExampleGen one span, and leaves a range of them to a query over what earlier runs
read; Kubeflow's own backend knows no queries, and a first run would have read one span only. Here
the executor reads them: train and eval of the last `data.spans.last` spans, test of the newest.
A text of an earlier split is dropped from the later ones (train before eval before test) as it is
within a span, unless `data.duplicates` keeps it.
"""

from __future__ import annotations

import re
from typing import Any

import apache_beam as beam
import tensorflow as tf
from google.protobuf import struct_pb2
from tfx.components.example_gen import component, driver
from tfx.components.example_gen import utils as example_gen_utils
from tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor
from tfx.dsl.components.base import executor_spec
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils
from tfx.utils import io_utils, proto_utils

from tfx_pipeline import features
from tfx_pipeline.config import SPLITS
from tfx_pipeline.errors import DataError
from tfx_pipeline.progress import log

_PATTERN = re.compile(r"span-(\d+)/(\w+)/\*")
_SPAN = re.compile(r"span-(\d+)/?")


def pattern(split: str, span: str) -> str:
    """Return where a split's files are below the spans; `span` is a number, or `{SPAN}`."""
    return f"span-{span}/{split}/*"


def window(base: str, newest: int, last: int) -> list[int]:
    """Return the numbers of the last spans up to the newest, ascending; gaps do not count."""
    matches = (_SPAN.fullmatch(name) for name in fileio.listdir(base))
    return sorted(int(match[1]) for match in matches if match and int(match[1]) <= newest)[-last:]


class Driver(driver.FileBasedDriver):
    """TFX's driver, to which what was read is the same only if the earlier spans are too."""

    def resolve_exec_properties(
        self, exec_properties: dict[str, Any], pipeline_info: Any, component_info: Any
    ) -> dict[str, Any]:
        """Find the newest span, and put the earlier ones' files into the fingerprint."""
        resolved = super().resolve_exec_properties(exec_properties, pipeline_info, component_info)
        base = resolved["input_base"]
        earlier = [
            io_utils.generate_fingerprint(f"span-{span}", f"{base}/{pattern('*', str(span))}")
            for span in _spans(resolved)[:-1]
        ]
        name = example_gen_utils.FINGERPRINT_PROPERTY_NAME
        resolved[name] = "\n".join([resolved[name], *earlier])
        return resolved


class Executor(BaseExampleGenExecutor):
    """Reads the splits of several spans."""

    def GetInputSourceToExamplePTransform(self) -> Any:  # noqa: N802 - TFX's name
        """Return how the files of one pattern are read."""
        return beam.io.ReadFromTFRecord

    def GenerateExamplesByBeam(  # noqa: N802 - TFX's name
        self, pipeline: beam.Pipeline, exec_properties: dict[str, Any]
    ) -> dict[str, beam.PCollection]:
        """Return the examples by split."""
        base, spans = exec_properties["input_base"], _spans(exec_properties)
        found: dict[str, beam.PCollection] = {}
        for split in SPLITS:
            chosen = spans[-1:] if split == "test" else spans
            files = [f"{base}/{pattern(split, str(span))}" for span in chosen]
            records = (
                pipeline
                | f"Name the files of {split}" >> beam.Create(files)
                | f"Read {split}" >> beam.io.ReadAllFromTFRecord()
                | f"Parse {split}" >> beam.Map(tf.train.Example.FromString)
            )
            if found and len(spans) > 1 and _settings(exec_properties)["drop_duplicates"]:
                earlier = list(found.values()) | f"Join what {split} may repeat" >> beam.Flatten()
                records = (records, earlier) | f"Drop repeats from {split}" >> _Without()
            found[split] = records
        return found

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Read the spans.

        Raises:
            DataError: a split has no text that an earlier one has not.
        """
        spans = _spans(exec_properties)
        named = str(spans[0]) if len(spans) == 1 else f"{spans[0]}-{spans[-1]}"
        if len(spans) > 1:
            log.info("  %d spans, %s; judged on the newest", len(spans), named)
        super().Do(input_dict, output_dict, exec_properties)
        for split in SPLITS:
            uri = artifact_utils.get_split_uri(output_dict["examples"], split)
            files = fileio.glob(f"{uri}/*")
            if not any(True for _ in tf.data.TFRecordDataset(files, "GZIP").take(1)):
                raise DataError(
                    f"nothing is left of the {split} split of spans {named}: each text of it "
                    "stands in an earlier split; set data.duplicates: keep, or data.spans.last: 1"
                )
        output_dict["examples"][0].set_string_custom_property("spans", named)


class ImportExampleGen(component.FileBasedExampleGen):
    """TFX's ImportExampleGen with the driver and the executor above.

    Args:
        spans: the folder of the spans, a path or a URL.
        newest: the number of the newest span, or `{SPAN}` to find it when it runs.
        last: how many spans are read.
        drop_duplicates: whether the text of an earlier split is dropped from the later ones.
    """

    DRIVER_CLASS = Driver
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(self, spans: str, newest: str, last: int, drop_duplicates: bool) -> None:
        settings = struct_pb2.Struct()
        settings.update({"last": last, "drop_duplicates": drop_duplicates})
        custom = example_gen_pb2.CustomConfig()
        custom.custom_config.Pack(settings)
        splits = [
            example_gen_pb2.Input.Split(name=name, pattern=pattern(name, newest)) for name in SPLITS
        ]
        super().__init__(
            input_base=spans,
            input_config=example_gen_pb2.Input(splits=splits),
            custom_config=custom,
            output_data_format=example_gen_pb2.FORMAT_TF_EXAMPLE,
        )


class _Without(beam.PTransform):
    """Of (examples, others): the examples whose text none of the others has."""

    def expand(self, both: tuple[beam.PCollection, beam.PCollection]) -> beam.PCollection:
        examples, others = both
        keyed = examples | "Key by text" >> beam.WithKeys(_text)
        seen = (
            others
            | "Take the texts" >> beam.Map(_text)
            | "Once each" >> beam.Distinct()
            | "As keys" >> beam.Map(lambda text: (text, None))
        )
        return (
            {"examples": keyed, "seen": seen}
            | "Bring together" >> beam.CoGroupByKey()
            | "Keep the unseen" >> beam.FlatMap(lambda g: g[1]["examples"] * (not g[1]["seen"]))
        )


def _text(example: tf.train.Example) -> bytes:
    return example.features.feature[features.TEXT].bytes_list.value[0]


def _settings(exec_properties: dict[str, Any]) -> dict[str, Any]:
    custom = example_gen_pb2.CustomConfig()
    proto_utils.json_to_proto(exec_properties["custom_config"], custom)
    settings = struct_pb2.Struct()
    custom.custom_config.Unpack(settings)
    return dict(settings)


def _spans(exec_properties: dict[str, Any]) -> list[int]:
    """Return the spans to read, from what the driver resolved."""
    given = example_gen_pb2.Input()
    proto_utils.json_to_proto(exec_properties["input_config"], given)
    newest = int(_PATTERN.fullmatch(given.splits[0].pattern)[1])
    last = int(_settings(exec_properties)["last"])
    return window(exec_properties["input_base"], newest, last)
