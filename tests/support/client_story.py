"""What a user does with MLflow's client, told alike by every version: a program of its own.

``python client_story.py FOLDER [PART...]`` plays the parts, all by default, against the server that
the environment names, and prints one JSON object: what each part saw, without anything that
differs from one time to the next.  It runs on the interpreter of any version from 2.9.2 on, so it
imports nothing of this project.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import uuid
import warnings
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient

NAMES = (
    "a;b.txt",
    "größe ü.txt",
    "50% off.txt",
    "a%20b.txt",
    "C++ (1).txt",
    "what?.txt",
    "a'b&c=d.txt",
)
BIG = 11 * 1024 * 1024
_CHANGING = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}|127\.0\.0\.1:\d+|story-\w+|\d{10,}|/\S*tmp\S*"
)


class Story:
    """One experiment with one run, and what can be done with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client = MlflowClient()
        self.name = f"story-{uuid.uuid4().hex}"
        self.experiment = self.client.create_experiment(f"{self.name} 10%data")
        self.run = self.client.create_run(self.experiment).info.run_id

    def runs(self) -> object:
        """Parameters, metrics and tags, each way of logging them, read back."""
        client, run = self.client, self.run
        client.log_param(run, "rate", 0.1)
        for step in range(3):
            client.log_metric(run, "loss", 1 / (step + 1), step=step)
        client.set_tag(run, "stage", "test é")
        with mlflow.start_run(run_id=run):
            mlflow.log_params({"depth": 3})
            mlflow.log_metrics({"accuracy": 0.75}, step=2)
        client.set_terminated(run)
        stored = client.get_run(run)
        found = client.search_runs([self.experiment], "metrics.loss < 0.5")
        history = [metric.value for metric in client.get_metric_history(run, "loss")]
        own = sorted(tag for tag in stored.data.tags if not tag.startswith("mlflow."))
        return [
            stored.data.params,
            stored.data.metrics,
            own,
            stored.info.status,
            len(found),
            history,
        ]

    def names(self) -> object:
        """Artifacts with the names that people give."""
        seen = []
        for name in NAMES:
            self.client.log_text(self.run, name, f"texts/{name}")
            path = self.client.download_artifacts(self.run, f"texts/{name}", self._down())
            seen.append(Path(path).read_text(encoding="utf-8") == name)
        listed = [file.path for file in self.client.list_artifacts(self.run, "texts")]
        return [seen, sorted(listed)]

    def images(self) -> object:
        """Images with a key and a step, as of 2.12; one of a step whose digits are an escape."""
        from PIL import Image  # noqa: PLC0415 - other parts need no Pillow

        image = Image.new("RGB", (8, 8), (200, 10, 10))
        try:
            for step in (3, 20, 2500):
                self.client.log_image(self.run, image, key="dogs", step=step, synchronous=True)
        except TypeError:  # before 2.12 an image has a file name alone
            self.client.log_image(self.run, image, "images/dogs.png")
        listed = self.client.list_artifacts(self.run, "images")
        pixels = []
        for file in listed:
            path = self.client.download_artifacts(self.run, file.path, self._down())
            pixel: Any = Image.open(path).convert("RGB").getpixel((4, 4))
            pixels.append(pixel[0] > 150)
        kinds = sorted(
            re.sub(r"^.*?step.|.timestamp.*?(?=\.|%comp|~comp)", "", f.path) for f in listed
        )
        return [len(listed), pixels, kinds]

    def multipart(self) -> object:
        """A file over the threshold, which goes to the store in parts."""
        big = self.folder / "big.bin"
        big.write_bytes(os.urandom(BIG))
        self.client.log_artifact(self.run, str(big), "big")
        if mlflow.__version__ == "2.9.2":  # it leaves the run's folder out, a defect of its own
            where = mlflow.artifacts.download_artifacts(
                artifact_uri="mlflow-artifacts:/big/big.bin", dst_path=self._down()
            )
        else:
            where = self.client.download_artifacts(self.run, "big/big.bin", self._down())
        return _digest(Path(where)) == _digest(big)

    def models(self) -> object:
        """A model: logged, registered, found, loaded and used."""
        import mlflow.sklearn  # noqa: PLC0415 - slow to import
        from sklearn.linear_model import LinearRegression  # noqa: PLC0415

        model = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
        model_name = f"{self.name}-model"
        with mlflow.start_run(run_id=self.run):
            mlflow.sklearn.log_model(model, "model", registered_model_name=model_name)
        self.client.set_registered_model_alias(model_name, "champion", "1")
        loaded = mlflow.pyfunc.load_model(f"models:/{model_name}@champion")
        response = [round(float(each), 6) for each in loaded.predict([[2.0]])]
        found = len(self.client.search_model_versions(f"name='{model_name}'"))
        self.client.delete_registered_model(model_name)
        return [response, found]

    def traces(self) -> object:
        """A trace with two spans, found again, as of 2.14."""
        if not hasattr(mlflow, "start_span"):
            return "this client has no traces"
        mlflow.set_experiment(experiment_id=self.experiment)
        with mlflow.start_span(name="outer") as span:
            span.set_inputs({"question": 1})
            with mlflow.start_span(name="inner"):
                pass
            span.set_outputs({"answer": 2})
        if hasattr(mlflow, "flush_trace_async_logging"):
            mlflow.flush_trace_async_logging()
        found = self.client.search_traces([self.experiment])
        return [sorted(span.name for span in trace.data.spans) for trace in found]

    def _down(self) -> str:
        folder = self.folder / uuid.uuid4().hex
        folder.mkdir()
        return str(folder)


PARTS = ("runs", "names", "images", "multipart", "models", "traces")


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main(folder: Path, parts: list[str]) -> None:
    """Play the parts and print what they saw; a failure is seen too."""
    warnings.simplefilter("ignore")
    story = Story(folder)
    report: dict[str, Any] = {}
    for part in parts or PARTS:
        try:
            report[part] = getattr(story, part)()
        except Exception as error:  # noqa: BLE001 - the failure is what was seen
            text = _CHANGING.sub("…", str(error).strip().splitlines()[0] if str(error) else "")
            report[part] = {"failed": f"{type(error).__name__}: {text[:200]}"}
    sys.stdout.write("\n" + json.dumps(report) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
