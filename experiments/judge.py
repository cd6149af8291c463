"""Compare images that a model makes with real ones, and tell what a classifier sees in them."""

import numpy as np
from jaxtyping import Float, UInt8

import models
from dfm import registry
from dfm.api import Progress
from experiments import batches, features, fid, inception, rows, run


class Judge:
    """Compare images with real ones, and classify them.

    Args:
        weights: of Inception; without them nothing is compared.
        classifier: the folder of a trained classifier; without one nothing is classified.

    Raises:
        OSError: there is no such training.
        ValueError: it is no classifier.
    """

    def __init__(
        self, weights: inception.Weights | None, classifier: str | None, progress: Progress | None
    ) -> None:
        self.weights = weights
        self._progress = progress
        self._classifier = None
        if classifier:
            trained = run.open(classifier)
            if trained.module is not registry.get(models, "classifier"):
                raise ValueError(f"{classifier} is a {trained.config.model}, and no classifier")
            self._classifier = trained.model()

    def distances(
        self,
        weights: inception.Weights,
        made: UInt8[np.ndarray, "n h w c"],
        real: UInt8[np.ndarray, "m h w c"],
    ) -> rows.Row:
        """Compute FID, KID, precision and recall."""
        a, b = (features.of(weights, images, self._progress) for images in (real, made))
        precision, recall = fid.precision_recall(a, b)
        kid, deviation = fid.kid(a, b)
        found = {"fid": fid.frechet(a, b), "kid": kid, "kid_deviation": deviation}
        if weights.classes is not None:
            found["inception_score"], _ = fid.inception_score(inception.probabilities(weights, b))
        return {
            name: round(value, 6)
            for name, value in (found | {"precision": precision, "recall": recall}).items()
        }

    def classes(self, made: UInt8[np.ndarray, "n h w c"]) -> rows.Row:
        """Compute the mean entropy of the class of an image, and the entropy of their mean, in nats."""
        if self._classifier is None:
            return {}
        p = self._chances(made)
        return {"entropy": _entropy(p).mean().round(4), "classes_entropy": _entropy(p.mean(0)).round(4)}

    def accuracy(self, made: UInt8[np.ndarray, "n h w c"], labels: np.ndarray) -> float | None:
        """Tell which part of images is still taken for what it was."""
        if self._classifier is None:
            return None
        return float(np.mean(self._chances(made).argmax(1) == labels[: len(made)]))

    def _chances(self, images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n classes"]:
        logits = batches.apply(self._classifier, lambda model, x: model(x / 255), images).astype(np.float64)
        odds = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(odds / odds.sum(1, keepdims=True))


def _entropy(p: Float[np.ndarray, "*n classes"]) -> Float[np.ndarray, "*n"]:
    return np.asarray(-np.sum(p * np.log(np.maximum(p, 1e-300)), axis=-1))
