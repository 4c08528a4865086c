"""The pipeline: which components there are and what flows between them."""

from __future__ import annotations

from pathlib import Path

from tfx import v1 as tfx
from tfx.dsl.components.base.base_component import BaseComponent

from tfx_pipeline.config import SPLITS, PipelineConfig
from tfx_pipeline.evaluation import eval_config
from tfx_pipeline.evaluation.scorecard import Scorecard

PREPROCESSING_FN = "tfx_pipeline.preprocessing.preprocessing_fn"
RUN_FN = "tfx_pipeline.training.run_fn.run_fn"


def build(config: PipelineConfig) -> list[BaseComponent]:
    """Return the components of a model's pipeline, in the order they run."""
    # Spans on disk → Examples of the newest span, with the splits the importer made.
    example_gen = tfx.components.ImportExampleGen(
        input_base=str(config.spans_path.resolve()),
        input_config=tfx.proto.Input(
            splits=[
                tfx.proto.Input.Split(name=name, pattern=f"span-{{SPAN}}/{name}/*")
                for name in SPLITS
            ]
        ),
    )
    examples = example_gen.outputs["examples"]

    # What the data looks like, and whether every split follows the schema of training.
    statistics_gen = tfx.components.StatisticsGen(examples=examples)
    statistics = statistics_gen.outputs["statistics"]
    schema_gen = tfx.components.SchemaGen(statistics=statistics, infer_feature_shape=True)
    schema = schema_gen.outputs["schema"]
    example_validator = tfx.components.ExampleValidator(statistics=statistics, schema=schema)

    # Text → word pieces, labels → ids; the vocabulary of labels comes from train alone.
    transform = tfx.components.Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn=PREPROCESSING_FN,
        splits_config=tfx.proto.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
        custom_config={"config": _part(config, "task", "data", "text_cleaning", "encoder")},
    )

    # Word pieces → a fine-tuned, calibrated SavedModel with its card.
    trainer = tfx.components.Trainer(
        run_fn=RUN_FN,
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema,
        train_args=tfx.proto.TrainArgs(splits=["train"]),
        eval_args=tfx.proto.EvalArgs(splits=["eval"]),
        custom_config={
            "config": _part(
                config, "task", "data", "text_cleaning", "encoder", "training", "serving"
            )
        },
    )
    model = trainer.outputs["model"]

    # The model to beat: the last one that was blessed.
    model_resolver = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("latest_blessed_model")

    # Test split → TFMA's metrics by slice, for its widgets.
    terms = eval_config.build(config)
    evaluators = []
    if terms is not None:
        evaluators.append(
            tfx.components.Evaluator(
                examples=examples, model=model, eval_config=terms, example_splits=["test"]
            )
        )

    # Test split → figures beside the last blessed model and trivial baselines, and the blessing.
    scorecard = Scorecard(
        examples=examples,
        model=model,
        baseline_model=model_resolver.outputs["model"],
        config=_part(config, "task", "data", "evaluation"),
    )

    # A blessed model → <base_path>/<name>/<version>/.
    pusher = tfx.components.Pusher(
        model=model,
        model_blessing=scorecard.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(
                base_directory=str(_absolute(config.push_path))
            )
        ),
    )
    return [
        example_gen,
        statistics_gen,
        schema_gen,
        example_validator,
        transform,
        trainer,
        model_resolver,
        *evaluators,
        scorecard,
        pusher,
    ]


def _part(config: PipelineConfig, *sections: str) -> str:
    """Return the sections a component depends on, as JSON.

    What a component is given decides whether its cached result still stands: the Transform of
    yesterday serves as long as only the training changes. Where the data lies does not matter,
    what it holds is in the Examples.
    """
    return config.model_dump_json(
        include={"name": True, **dict.fromkeys(sections, True)},
        exclude={"data": {"root", "files"}, "serving": {"base_path"}},
    )


def _absolute(path: Path) -> Path:
    """Make a local path absolute, as TF Serving wants base paths to be."""
    return path.absolute()
