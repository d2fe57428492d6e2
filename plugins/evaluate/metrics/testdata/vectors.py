"""Writes vectors.json: what scikit-learn says of predictions that are hard to get right.

    python3 -m venv /tmp/skl && /tmp/skl/bin/pip install scikit-learn==1.9.1
    /tmp/skl/bin/python vectors.py > vectors.json
"""
import json
import warnings

import numpy as np
import sklearn
from sklearn import metrics as sk

warnings.filterwarnings("ignore")
rng = np.random.default_rng(7)


def of_class(y, s, guess, w):
    """All metrics of one class against the rest, None where it has no positive or no negative."""
    total = np.bincount(y, weights=w, minlength=2)
    if total.min() == 0:
        return dict.fromkeys(["auroc", "auprc", "sensitivity", "specificity", "f1"])
    return {
        "auroc": sk.roc_auc_score(y, s, sample_weight=w),
        "auprc": sk.average_precision_score(y, s, sample_weight=w),
        "sensitivity": sk.recall_score(y, guess, sample_weight=w, zero_division=0),
        "specificity": sk.recall_score(y, guess, pos_label=0, sample_weight=w, zero_division=0),
        "f1": sk.f1_score(y, guess, sample_weight=w, zero_division=0),
    }


def case(name, kind, truth, scores, threshold=0.5, weight=None):
    """truth is a 0/1 matrix, scores a matrix of the same shape."""
    n, k = truth.shape
    w = np.ones(n, int) if weight is None else weight
    if kind == "multiclass":
        y, p = truth.argmax(1), scores.argmax(1)
        guess = np.eye(k, dtype=int)[p]
        balanced = sk.balanced_accuracy_score(y, p, sample_weight=w)
        if len(set(y[w > 0])) < 2:
            balanced = None
        accuracy = sk.accuracy_score(y, p, sample_weight=w)
    else:
        guess = (scores >= threshold).astype(int)
        each = [sk.balanced_accuracy_score(truth[:, c], guess[:, c], sample_weight=w)
                for c in range(k) if len(set(truth[w > 0, c])) == 2]
        balanced = float(np.mean(each)) if each else None
        accuracy = sk.accuracy_score(truth, guess, sample_weight=w)
    classes = [of_class(truth[:, c], scores[:, c], guess[:, c], w) for c in range(k)]
    chosen = classes[1:] if kind == "multiclass" and k == 2 else classes
    want = {"accuracy": accuracy, "balanced_accuracy": balanced}
    for m in classes[0]:
        defined = [c[m] for c in chosen if c[m] is not None]
        want[m] = float(np.mean(defined)) if defined else None
    if kind == "multiclass" and k > 2 and weight is None and None not in classes[0].values() and len(set(y)) == k:
        whole = sk.roc_auc_score(y, scores, multi_class="ovr", average="macro")
        assert abs(whole - want["auroc"]) < 1e-12, (name, whole, want["auroc"])
        assert abs(sk.f1_score(y, p, average="macro") - want["f1"]) < 1e-12
    return {"name": name, "type": kind, "threshold": threshold, "truth": truth.tolist(),
            "scores": scores.tolist(), "weight": None if weight is None else weight.tolist(),
            "want": want, "classes": classes}


def binary(y, s):
    y, s = np.asarray(y), np.asarray(s, float)
    return np.stack([1 - y, y], 1), np.stack([1 - s, s], 1)


def softmax(n, k, pull):
    y = rng.integers(0, k, n)
    z = rng.normal(size=(n, k)) + pull * np.eye(k)[y]
    s = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    s = np.round(s, 6)
    s[:, -1] = 1 - s[:, :-1].sum(1)
    return np.eye(k, dtype=int)[y], s


def cases():
    y = rng.integers(0, 2, 60)
    s = np.round(np.clip(0.5 + 0.2 * (y - 0.5) + 0.2 * rng.normal(size=60), 0, 1), 4)
    yield case("binary", "multiclass", *binary(y, s))
    yield case("binary with many ties", "multiclass", *binary(y, np.round(s * 8) / 8))
    yield case("binary, one score for all", "multiclass", *binary(y, np.full(60, 0.25)))
    yield case("binary, perfect", "multiclass", *binary([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]))
    yield case("binary, upside down", "multiclass", *binary([0, 0, 1, 1], [0.9, 0.8, 0.2, 0.1]))
    yield case("binary, one positive in forty", "multiclass", *binary([1] + [0] * 39, np.round(rng.random(40), 2)))
    yield case("binary, no positive", "multiclass", *binary([0] * 5, np.round(rng.random(5), 2)))
    yield case("binary, drawn with replacement", "multiclass", *binary(y, np.round(s * 16) / 16),
               weight=rng.integers(0, 4, 60))
    yield case("four classes", "multiclass", *softmax(80, 4, 1.0))
    t, s = softmax(50, 3, 1.5)
    keep = t[:, 2] == 0
    yield case("three classes, one never occurs", "multiclass", t[keep], s[keep])
    t, s = softmax(70, 5, 0.7)
    yield case("five classes, drawn with replacement", "multiclass", t, s, weight=rng.integers(0, 3, 70))
    t = (rng.random((60, 4)) < [0.5, 0.2, 0.05, 0.8]).astype(int)
    s = np.round(np.clip(t * 0.3 + 0.7 * rng.random((60, 4)), 0, 1), 2)
    yield case("labels", "multilabel", t, s)
    yield case("labels, threshold 0.3", "multilabel", t, s, threshold=0.3)
    t2 = t.copy()
    t2[:, 0], t2[:, 3] = 0, 1
    yield case("labels, one never and one always", "multilabel", t2, s)
    yield case("labels, drawn with replacement", "multilabel", t, s, weight=rng.integers(0, 3, 60))


body = ",\n".join(json.dumps(c) for c in cases())
print('{"scikit_learn": "%s", "cases": [\n%s\n]}' % (sklearn.__version__, body))
