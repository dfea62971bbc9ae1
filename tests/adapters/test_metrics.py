"""Names that begin with a split's."""

import torch

from polyak.adapters.metrics import by_split


def test_names_that_begin_with_a_split():
    said = {
        "val_acc": torch.tensor(0.5),
        "valid/Top-5 Error": 1,
        "val_loss/dataloader_idx_0": 2.0,
        "eval_loss": float("inf"),
        "train_loss": 3.0,
        "train_loss_step": 4.0,
        "train_loss_epoch": 3.0,
        "training.grad_step": 5.0,
        "test-x": 6,
        # Of no split, or no number.
        "loss": 1.0,
        "validity": 1.0,
        "value_loss": 1.0,
        "eval_table": torch.ones(2),
        "eval_name": "x",
    }
    assert by_split(said) == {
        "validation": {
            "acc": 0.5,
            "top_5_error": 1.0,
            "loss_dataloader_idx_0": 2.0,
            "loss": float("inf"),
        },
        "train": {"loss": 3.0, "grad_step": 5.0},
        "test": {"x": 6.0},
    }
