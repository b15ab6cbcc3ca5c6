"""A handler for TorchServe: naive Bayes over words (multinomial, counts from 1), which says whether
a text is good or bad, and which version of the model it is. It learns from `examples.json` beside
it, and fails where it is told to. It needs no PyTorch: no tensor is in it."""

import json
import math
import os
from collections import Counter


class Words:
    def initialize(self, context):
        self.version = context.manifest["model"]["modelVersion"]
        folder = context.system_properties["model_dir"]
        with open(os.path.join(folder, "examples.json")) as file:
            examples = json.load(file)
        self.counts = {
            label: Counter(word for text in texts for word in text.split())
            for label, texts in examples.items()
        }
        self.known = len(set().union(*self.counts.values()))

    def handle(self, rows, context):
        return [self.answer(row.get("body") or row.get("data")) for row in rows]

    def answer(self, body):
        text = body["text"]
        if text == f"fail {self.version}":
            raise RuntimeError("as it was told")

        def score(label):
            counts = self.counts[label]
            total = counts.total() + self.known
            return sum(math.log((counts[word] + 1) / total) for word in text.split())

        return {"label": max(self.counts, key=score), "version": self.version}
