"""Names of the features, raw and transformed, and of the model's signatures and outputs."""

from __future__ import annotations

TEXT = "text"
LABEL = "label"
EVENT_ID = "event_id"
EVENT_TIME = "event_time"
WEIGHT = "weight"

# What Transform emits beside the raw text.
TOKEN_IDS = "token_ids"  # noqa: S105 - word pieces, not a secret
LABEL_ID = "label_id"
LABEL_VOCABULARY = "labels"

SERVING_DEFAULT = "serving_default"
SERVING_EXAMPLES = "serving_examples"
TRANSFORM_FEATURES = "transform_features"

ANOMALY_LABELS = ("normal", "anomaly")

# What TFMA computes for a task: the metric's name and its class.
METRICS = {
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
}

# The metrics of a task that a blessing may depend on; all are better when higher.
BOUNDED = {
    "anomaly": ("auc_precision_recall", "auc"),
    "classification": ("sparse_categorical_accuracy",),
}

# The metric that stands for a task as a whole, as TFMA names it; higher is better.
MAIN_METRIC = {"anomaly": "auc_precision_recall", "classification": "sparse_categorical_accuracy"}
