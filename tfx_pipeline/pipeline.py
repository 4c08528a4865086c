"""The pipeline: which components there are and what flows between them."""

from __future__ import annotations

from dataclasses import dataclass

# Not `tfx.v1`: it loads Google's AI Platform, which nothing here uses and which takes 10 s.
from tfx.components import (
    Evaluator,
    ExampleValidator,
    Pusher,
    SchemaGen,
    StatisticsGen,
    Trainer,
    Transform,
)
from tfx.dsl.components.base import executor_spec
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
    LatestBlessedModelStrategy,
)
from tfx.proto.pusher_pb2 import PushDestination
from tfx.proto.trainer_pb2 import EvalArgs, TrainArgs
from tfx.proto.transform_pb2 import SplitsConfig
from tfx.types import standard_artifacts
from tfx.types.channel import Channel

from tfx_pipeline import push
from tfx_pipeline.config import PipelineConfig
from tfx_pipeline.evaluation import eval_config
from tfx_pipeline.evaluation.scorecard import Scorecard
from tfx_pipeline.example_gen import ImportExampleGen
from tfx_pipeline.schema_check import AcceptedSchema, SchemaCheck, SchemaGate
from tfx_pipeline.serving_gate.component import ServingGate
from tfx_pipeline.tuning.component import Tuner

PREPROCESSING_FN = "tfx_pipeline.preprocessing.preprocessing_fn"
TUNER_FN = "tfx_pipeline.tuning.tuner_fn.tuner_fn"
RUN_FN = "tfx_pipeline.training.run_fn.run_fn"
BEAM_ARGUMENTS = (
    # In this process: DirectRunner would try Prism first, and download it.
    "--runner=FnApiRunner",
    # No container is asked for: without one named here TFX packs itself into a new temporary
    # folder for each component, for workers elsewhere that there are none of.
    "--sdk_container_image=none",
)


@dataclass(frozen=True)
class Places:
    """Where the components find the spans and push the model: paths or URLs.

    Without `queries`, for a backend that neither looks for earlier artifacts nor for the newest
    span, the components get a fixed `span`, and the model to beat is the version pushed last.
    """

    spans: str
    push: str
    queries: bool = True
    span: int | None = None


def build(
    config: PipelineConfig, places: Places | None = None, until: str | None = None
) -> list[BaseComponent]:
    """Return the components of a model's pipeline, in the order they run.

    Without `places` the spans and the base path are where the config has them on this machine.
    With `until` the components after that one are left out.
    """
    here = places is None
    if places is None:
        places = Places(str(config.spans_path.resolve()), config.push_path)

    # Spans on disk → Examples of the last spans, with the splits the importer made.
    example_gen = ImportExampleGen(
        spans=places.spans,
        newest="{SPAN}" if places.span is None else str(places.span),
        last=config.data.spans.last,
        drop_duplicates=config.data.duplicates == "drop",
    )
    examples = example_gen.outputs["examples"]

    # What the data looks like, and whether every split follows the schema of training.
    statistics_gen = StatisticsGen(examples=examples)
    statistics = statistics_gen.outputs["statistics"]
    schema_gen = SchemaGen(statistics=statistics, infer_feature_shape=True)
    schema = schema_gen.outputs["schema"]
    example_validator = ExampleValidator(statistics=statistics, schema=schema)

    # The same schema as the run before accepted, or no further. Vertex would ask for any artifact
    # of ours, not for this type, so the schema is remembered on this machine alone.
    last_schema = Resolver(
        strategy_class=LatestArtifactStrategy,
        accepted=Channel(type=AcceptedSchema),
    ).with_id("last_schema")
    schema_check = SchemaCheck(
        schema=schema, **({"accepted": last_schema.outputs["accepted"]} if here else {})
    )
    schema_gate = SchemaGate(
        schema=schema,
        changes=schema_check.outputs["changes"],
        accept_changes=int(config.data.accept_schema_change),
    )

    # Text → word pieces, labels → ids; the vocabulary of labels comes from train alone.
    transform = Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn=PREPROCESSING_FN,
        splits_config=SplitsConfig(analyze=["train"], transform=["train", "eval"]),
        # Those of StatisticsGen are what is read.
        disable_statistics=True,
        custom_config={"config": _part(config, "task", "data", "text_cleaning", "encoder")},
    )
    transform.add_upstream_node(schema_gate)

    # The model to beat, or to start from: the last one that was blessed.
    model_resolver = Resolver(
        strategy_class=LatestBlessedModelStrategy,
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
    ).with_id("latest_blessed_model")

    warm = config.training.warm_start
    learning = {
        "examples": transform.outputs["transformed_examples"],
        "transform_graph": transform.outputs["transform_graph"],
        "schema": schema,
        "base_model": model_resolver.outputs["model"] if warm and places.queries else None,
        "train_args": TrainArgs(splits=["train"]),
        "eval_args": EvalArgs(splits=["eval"]),
    }
    pushed = places.push if warm and not places.queries else ""
    learned = ("task", "data", "text_cleaning", "encoder", "training")

    # Trainings with other values of the config → the values that are best on held-out events.
    tuners = []
    if config.tuning is not None:
        settings = {"config": _part(config, *learned, "tuning"), "pushed": pushed}
        tuners.append(Tuner(tuner_fn=TUNER_FN, custom_config=settings, **learning))

    # Word pieces → a fine-tuned, calibrated SavedModel with its card.
    trainer = Trainer(
        run_fn=RUN_FN,
        hyperparameters=tuners[0].outputs["best_hyperparameters"] if tuners else None,
        custom_config={"config": _part(config, *learned, "serving"), "pushed": pushed},
        **learning,
    )
    model = trainer.outputs["model"]

    # Test split → TFMA's metrics by slice, for its widgets.
    terms = eval_config.build(config)
    evaluators = []
    if terms is not None:
        evaluators.append(
            Evaluator(examples=examples, model=model, eval_config=terms, example_splits=["test"])
        )

    # Test split → figures beside the last blessed model and trivial baselines, and the blessing.
    scorecard = Scorecard(
        examples=examples,
        model=model,
        pushed="" if places.queries else places.push,
        config=_part(config, "task", "data", "evaluation"),
        **({"baseline_model": model_resolver.outputs["model"]} if places.queries else {}),
    )

    # The blessed model on a real server → the same answers, latency, batching parameters.
    serving_gate = ServingGate(
        model=model,
        scorecard=scorecard.outputs["scorecard"],
        model_blessing=scorecard.outputs["blessing"],
        config=_part(config, "task", gate=True),
    )

    # A model blessed twice → <base_path>/<name>/<version>/, and the server that watches it.
    pusher = Pusher(
        model=model,
        model_blessing=scorecard.outputs["blessing"],
        infra_blessing=serving_gate.outputs["blessing"],
        push_destination=PushDestination(
            filesystem=PushDestination.Filesystem(base_directory=places.push)
        ),
        custom_executor_spec=executor_spec.ExecutorClassSpec(push.Executor),
        custom_config={
            "name": config.name,
            "push": config.serving.push.model_dump_json(),
            "max_difference": config.serving.gate.max_difference,
        },
    )
    components = [
        example_gen,
        statistics_gen,
        schema_gen,
        example_validator,
        *([last_schema] if here else []),
        schema_check,
        schema_gate,
        transform,
        *([model_resolver] if places.queries else []),
        *tuners,
        trainer,
        *evaluators,
        scorecard,
        serving_gate,
        pusher,
    ]
    if until is None:
        return components
    return components[: [component.id for component in components].index(until) + 1]


def _part(config: PipelineConfig, *sections: str, gate: bool = False) -> str:
    """Return the sections a component depends on, as JSON.

    What a component is given decides whether its cached result still stands: the Transform of
    yesterday serves as long as only the training changes. Where the data lies does not matter,
    what it holds is in the Examples. Only the serving gate depends on its own terms.
    """
    serving = {"base_path", "push"} | (set() if gate else {"gate"})
    return config.model_dump_json(
        include={"name": True, **dict.fromkeys([*sections, *["serving"] * gate], True)},
        exclude={"data": {"root", "files", "spans", "accept_schema_change"}, "serving": serving},
    )
