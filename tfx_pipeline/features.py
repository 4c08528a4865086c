"""Names of the features, raw and transformed, and of the model's signatures and outputs."""

from __future__ import annotations

TEXT = "text"
LABEL = "label"
TOKENS = "tokens"
TAGS = "tags"
EVENT_ID = "event_id"
EVENT_TIME = "event_time"
WEIGHT = "weight"

# What Transform emits beside the raw text.
TOKEN_IDS = "token_ids"  # noqa: S105 - word pieces, not a secret
LABEL_ID = "label_id"
LABEL_VALUE = "label_value"
TAG_IDS = "tag_ids"
LABEL_VOCABULARY = "labels"

SERVING_DEFAULT = "serving_default"
SERVING_EXAMPLES = "serving_examples"
TRANSFORM_FEATURES = "transform_features"

ANOMALY_LABELS = ("normal", "anomaly")

# The BIO tag of what belongs to no entity.
OUTSIDE = "O"

# What TFMA computes for a task: the metric's name and its class. TFMA has nothing for entities.
TFMA_METRICS = {
    "anomaly": {
        "auc_precision_recall": "AUCPrecisionRecall",
        "auc": "AUC",
        "binary_cross_entropy": "BinaryCrossEntropy",
        "calibration": "Calibration",
        "confusion_matrix_plot": "ConfusionMatrixPlot",
        "calibration_plot": "CalibrationPlot",
        "example_count": "ExampleCount",
    },
    "classification": {
        "sparse_categorical_accuracy": "SparseCategoricalAccuracy",
        "multi_class_confusion_matrix_plot": "MultiClassConfusionMatrixPlot",
        "example_count": "ExampleCount",
    },
    "regression": {
        "mean_squared_error": "MeanSquaredError",
        "mean_absolute_error": "MeanAbsoluteError",
        "squared_pearson_correlation": "SquaredPearsonCorrelation",
        "example_count": "ExampleCount",
    },
}

# What the Scorecard measures, and which way is better: a blessing may depend on any of them.
HIGHER, LOWER = "higher", "lower"
MEASURED = {
    "anomaly": {
        "average_precision": HIGHER,
        "roc_auc": HIGHER,
        "f1": HIGHER,
        "precision": HIGHER,
        "recall": HIGHER,
        "best_f1": HIGHER,
        "calibration_error": LOWER,
        "unseen_template_recall": HIGHER,
        "budget_precision": HIGHER,
    },
    "classification": {"accuracy": HIGHER, "macro_f1": HIGHER, "calibration_error": LOWER},
    "regression": {"pearson": HIGHER, "spearman": HIGHER, "rmse": LOWER, "mae": LOWER},
    "token": {"entity_f1": HIGHER, "entity_precision": HIGHER, "entity_recall": HIGHER},
}

# What the trivial baselines have no figure of.
NOT_TRIVIAL = {
    "anomaly": set(),
    "classification": {"calibration_error"},
    "regression": set(),
    "token": set(),
}

# The Trainer's figures by epoch, in its `model_run`; `val_` before what held-out events say.
HISTORY = "history.csv"

# The metric that stands for a task as a whole; higher is better.
MAIN_METRIC = {
    "anomaly": "average_precision",
    "classification": "accuracy",
    "regression": "pearson",
    "token": "entity_f1",
}
