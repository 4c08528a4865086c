from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="module")
def backbone(tiny_bert):
    from tfx_pipeline.config import EncoderConfig
    from tfx_pipeline.model.encoder import find_encoder, load_backbone

    return load_backbone(find_encoder(EncoderConfig(preset=str(tiny_bert))), "float32")


def inputs(*rows):
    width = max(len(row) for row in rows)
    ids = np.array([[*row, *[0] * (width - len(row))] for row in rows], np.int32)
    mask = np.array([[1] * len(row) + [0] * (width - len(row)) for row in rows], np.int32)
    return {"token_ids": ids, "padding_mask": mask, "segment_ids": np.zeros_like(ids)}


def text(*pieces):
    return [2, *pieces, 3]


def windows(row, room, step):
    pieces = row[1:-1]
    starts = [0]
    while starts[-1] + room < len(pieces):
        starts.append(starts[-1] + step)
    return [text(*pieces[start : start + room]) for start in starts]


@pytest.mark.parametrize("task", ["anomaly", "classification", "regression"])
def test_the_answer_to_a_long_text_is_made_of_its_windows(backbone, task):
    from tfx_pipeline.config import EncoderConfig
    from tfx_pipeline.model.heads import build_model

    config = EncoderConfig(max_length=10)
    model = build_model(backbone, task, 3, 0.0, config)
    head = model.get_layer("head")
    rows = [text(*range(5, 26)), text(7, 8, 9), text(), text(*range(30, 38)), text(*range(30, 39))]
    found = {name: value.numpy() for name, value in model(inputs(*rows)).items()}
    for number, row in enumerate(rows):
        parts = windows(row, 8, 6)
        assert len(parts) == {21: 4, 3: 1, 0: 1, 8: 1, 9: 2}[len(row) - 2]
        outputs = [{n: v.numpy()[0] for n, v in head(inputs(part)).items()} for part in parts]
        logits = np.array([output["logits"] for output in outputs])
        joined = logits.max(axis=0) if task == "anomaly" else logits.mean(axis=0)
        assert found["logits"][number] == pytest.approx(joined, abs=1e-5)
        pooled = np.mean([output["pooled"] for output in outputs], axis=0)
        assert found["pooled"][number] == pytest.approx(pooled, abs=1e-5)


def test_each_piece_of_a_long_text_has_the_logits_of_the_window_round_it(backbone):
    from tfx_pipeline.config import EncoderConfig
    from tfx_pipeline.model.heads import build_model

    model = build_model(backbone, "token", 5, 0.0, EncoderConfig(max_length=10))
    head = model.get_layer("head")
    rows = [text(*range(5, 26)), text(7, 8, 9)]
    found = model(inputs(*rows))["logits"].numpy()
    assert found.shape == (2, 23, 5)
    for number, row in enumerate(rows):
        parts = [head(inputs(p))["logits"].numpy()[0] for p in windows(row, 8, 6)]
        for piece in range(len(row) - 2):
            # Windows begin every 6 pieces and share 2: the first of the two is the former's.
            window = min(max(piece - 1, 0) // 6, len(parts) - 1)
            expected = parts[window][1 + piece - 6 * window]
            assert found[number, 1 + piece] == pytest.approx(expected, abs=1e-5)


def test_windows_read_as_much_as_the_config_says():
    from tfx_pipeline.config import EncoderConfig

    assert EncoderConfig(max_length=10, max_windows=4).room == 8 + 3 * 6
    assert EncoderConfig(max_length=10, long_texts="truncate").room == 8
