"""A vision transformer of Hugging Face's, trained by its Trainer, recorded, averaged and reported.

    apt-get install dataset-fashion-mnist
    python -m benchmarks.hugging_face --files /usr/share/datasets/fashion-mnist
    python -m analysis outputs/tiny_vit_runs

ViT (Dosovitskiy et al., https://arxiv.org/abs/2010.11929) of 3 layers of width 64 from random
weights, on 4,000 images of Fashion-MNIST; 1,000 more are validation, 2,000 test. AdamW with a
constant learning rate, by which an average has most to do.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

import polyak
from polyak.adapters.transformers import RecordEpochs
from polyak.data import mnist_cifar

EPOCHS, RATE, BATCH = 10, 1e-3, 64
SIZES = {"train": 4000, "validation": 1000, "test": 2000}


def splits(files: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """Images float32 [N, 1, 28, 28] and labels of each."""
    train, test = SIZES["train"] + SIZES["validation"], SIZES["test"]
    given: dict[str, Any] = {"limit_train": train, "limit_test": test, "files": str(files)}
    source = mnist_cifar.load("", name="fashion_mnist", **given)
    both = {"train": source.train, "test": source.test}
    found = {name: ((one.images / 255 - 0.286) / 0.353, one.labels) for name, one in both.items()}
    images, labels = found["train"]
    cut = SIZES["train"]
    return {
        "train": (images[:cut], labels[:cut]),
        "validation": (images[cut:], labels[cut:]),
        "test": found["test"],
    }


def network() -> ViTForImageClassification:
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3}
    images = {"image_size": 28, "patch_size": 4, "num_channels": 1, "num_labels": 10}
    return ViTForImageClassification(ViTConfig(num_attention_heads=4, **sizes, **images))


def rows(images: Tensor, labels: Tensor) -> list[dict[str, Tensor]]:
    return [{"pixel_values": one, "labels": y} for one, y in zip(images, labels, strict=True)]


def train(seed: int, data: Mapping[str, tuple[Tensor, Tensor]], directory: Path) -> None:
    settings = {"lr": RATE, "seed": seed, "batch_size": BATCH, "optimizer": "adamw"}
    settings |= {"model": "vit_3_64", "schedule": "constant", "dataset": "Fashion-MNIST"}
    settings |= {"train_images": SIZES["train"]}
    torch.manual_seed(seed)
    arguments = TrainingArguments(
        str(directory.with_name(f"{directory.name}_trained")),
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=BATCH,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        eval_strategy="epoch",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=seed,
    )
    Trainer(
        network(),
        arguments,
        train_dataset=rows(*data["train"]),
        eval_dataset=rows(*data["validation"]),
        callbacks=[RecordEpochs(directory, settings=settings, restart=True)],
    ).train()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=Path, required=True, help="the four .gz files")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("outputs/tiny_vit"))
    given = parser.parse_args()
    data, model = splits(given.files), network().eval()

    def evaluate(state: dict[str, Tensor]) -> dict[str, Any]:
        model.load_state_dict(state)
        found = {}
        for split in ("validation", "test"):
            images, labels = data[split]
            found[split] = (torch.cat([model(one).logits for one in images.split(500)]), labels)
        return found

    for seed in range(given.seeds):
        directory = given.out / f"seed{seed}"
        train(seed, data, directory)
        study = polyak.open(directory, evaluate)
        for start in range(2, EPOCHS, 2):
            print(study.run(start=start))


if __name__ == "__main__":
    main()
