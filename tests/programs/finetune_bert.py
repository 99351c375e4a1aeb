"""Fine-tune a small BERT to tell questions from statements, with the Trainer of transformers."""

import argparse
import hashlib
import random

import torch
from torch.utils.data import Dataset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed

WORDS = 60
QUESTION = (3, 7, 11)  # who, what, why


class Sentences(Dataset):
    def __init__(self, count: int, seed: int):
        generator = random.Random(seed)
        self.rows = []
        for index in range(count):
            words = [generator.randrange(20, WORDS) for _ in range(generator.randrange(4, 10))]
            if index % 2:
                words[generator.randrange(len(words))] = generator.choice(QUESTION)
            self.rows.append((words, index % 2))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        words, label = self.rows[index]
        return {"input_ids": words, "label": label}


def collate(rows):
    longest = max(len(row["input_ids"]) for row in rows)
    padded = [row["input_ids"] + [0] * (longest - len(row["input_ids"])) for row in rows]
    ids = torch.tensor(padded)
    return {
        "input_ids": ids,
        "attention_mask": (ids != 0).long(),
        "labels": torch.tensor([row["label"] for row in rows]),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", required=True)
    parser.add_argument("--max_steps", type=int, default=120)
    options = parser.parse_args()

    set_seed(42)
    config = BertConfig(
        vocab_size=WORDS,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=32,
    )
    model = BertForSequenceClassification(config)
    training_args = TrainingArguments(
        output_dir=options.output_dir,
        max_steps=options.max_steps,
        per_device_train_batch_size=16,
        gradient_accumulation_steps=2,
        learning_rate=2e-3,
        weight_decay=0.01,
        warmup_steps=10,
        lr_scheduler_type="linear",
        logging_steps=50,
        eval_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = Trainer(
        model=model,
        args=training_args,
        data_collator=collate,
        train_dataset=Sentences(512, seed=0),
        eval_dataset=Sentences(128, seed=1),
    )
    trainer.train()
    print("eval_loss", round(trainer.evaluate()["eval_loss"], 4))

    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.cpu().numpy().tobytes())
    print(digest.hexdigest())


if __name__ == "__main__":
    main()
