"""Asks each format's own validator about exports: python validators.py crate|croissant|counts|openlineage|intoto PATH...

`make validators` installs them. Nothing is asked of the network: RO-Crate's context is put into the cache of its validator
from the package rocrate, which ships it.
"""

import base64
import importlib.resources
import io
import json
import os
import sys
import tempfile
import uuid

import requests
import urllib3

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROFILE = "provenance-run-crate-0.5"


def crate(path):
    import requests_cache
    from rocrate_validator import models, services

    text = importlib.resources.files("rocrate").joinpath("data/ro-crate.jsonld").read_text()
    assert json.loads(text)["@id"] == CONTEXT, "the package rocrate ships another context; pin 0.13.0"
    with tempfile.TemporaryDirectory() as tmp:
        cache = os.path.join(tmp, "http")
        session = requests_cache.CachedSession(cache, backend="sqlite", expire_after=-1)
        session.mount("https://", Shelf(text))
        session.get(CONTEXT, headers={"Accept": "application/ld+json, application/json, */*;q=0.1"})
        session.close()
        result = services.validate(models.ValidationSettings(
            rocrate_uri=path, profile_identifier=PROFILE, requirement_severity=models.Severity.REQUIRED,
            cache_path=cache, offline=True))
        for issue in result.get_issues():
            print(issue.check.identifier, issue.severity, issue.message, issue.violatingEntity)
        checks = len(result.executed_checks) if hasattr(result, "executed_checks") else "all"
        print(f"{path}: {PROFILE}, {checks} checks, passed {result.passed()}")
        if not result.passed():
            sys.exit(1)


class Shelf(requests.adapters.BaseAdapter):
    """Answers like the web would, with the context."""

    def __init__(self, text):
        super().__init__()
        self.text = text

    def send(self, request, **kwargs):
        raw = urllib3.HTTPResponse(body=io.BytesIO(self.text.encode()), status=200, preload_content=False, request_url=CONTEXT,
                                   headers={"Content-Type": "application/ld+json"})
        return requests.adapters.HTTPAdapter().build_response(request, raw)

    def close(self):
        pass


def dataset(path):
    import mlcroissant as mlc

    d = mlc.Dataset(os.path.join(path, "croissant.json"))
    assert not d.metadata.ctx.issues.errors, d.metadata.ctx.issues.report()
    return d


def lists(value):
    return list(value) if value is not None else []


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def croissant(path):
    """Loads every record with mlcroissant, and compares it with what the table says to pyarrow."""
    import pyarrow.parquet as pq

    d = dataset(path)
    rows = pq.read_table(os.path.join(path, "samples.parquet")).to_pylist()
    records = list(d.records("samples"))
    assert len(records) == len(rows) > 0, (len(records), len(rows))
    paths = set()
    for got, want in zip(records, rows):
        for key in ("id", "split", "subject"):
            assert text(got[f"samples/{key}"]) == want[key], (got, want)
        assert [text(x) for x in lists(got["samples/labels"])] == want["labels"], (got, want)
        media = [text(m["samples/media/path"]) for m in lists(got["samples/media"]) if m["samples/media/path"] is not None]
        assert media == [m["path"] for m in want["media"]], (got, want)
        paths.update(media)
    found = {text(r["media/path"]) for r in d.records("media")} if paths else set()
    assert found == paths, (sorted(found)[:3], sorted(paths)[:3])
    print(f"{path}: {len(records)} records, {len(paths)} arrays, {counted(d)} counted")


def counts(path):
    """Of data that may not be passed on there are counts alone."""
    d = dataset(path)
    assert not d.metadata.distribution and {r.id for r in d.metadata.record_sets} == {"splits", "classes", "counts"}
    print(f"{path}: {counted(d)} counted")


def counted(d):
    splits = {text(r["splits/name"]): text(r["splits/url"]) for r in d.records("splits")}
    assert splits["test"] == "cr:TestSplit", splits
    return sum(r["counts/samples"] for r in d.records("counts"))


def openlineage(path):
    """Builds every event from the classes that are generated from the specification, which know the type of each field."""
    import importlib
    import inspect
    import pkgutil

    from openlineage.client import event_v2, generated
    from openlineage.client.serde import Serde

    facets = {}
    for m in pkgutil.iter_modules(generated.__path__):
        for name, c in inspect.getmembers(importlib.import_module(f"openlineage.client.generated.{m.name}"), inspect.isclass):
            if name.endswith("Facet") and hasattr(c, "_get_schema"):
                facets[c._get_schema()] = c

    def facet(raw):
        c = facets[raw["_schemaURL"]]  # a KeyError is a version that the specification does not have
        args = {k: v for k, v in raw.items() if not k.startswith("_")}
        return c(**args, producer=raw["_producer"])

    def all_facets(raw):
        return {k: facet(v) for k, v in raw.items()}

    events, started, completed = 0, [], []
    for line in open(path, encoding="utf-8"):
        raw = json.loads(line)
        uuid.UUID(raw["run"]["runId"])
        e = event_v2.RunEvent(
            eventType=event_v2.RunState[raw["eventType"]], eventTime=raw["eventTime"], producer=raw["producer"],
            run=event_v2.Run(runId=raw["run"]["runId"], facets=all_facets(raw["run"].get("facets", {}))),
            job=event_v2.Job(raw["job"]["namespace"], raw["job"]["name"], facets=all_facets(raw["job"].get("facets", {}))),
            inputs=[event_v2.InputDataset(i["namespace"], i["name"], facets=all_facets(i["facets"])) for i in raw["inputs"]],
            outputs=[event_v2.OutputDataset(o["namespace"], o["name"], facets=all_facets(o["facets"]),
                                            outputFacets=all_facets(o.get("outputFacets", {}))) for o in raw["outputs"]])
        assert raw["schemaURL"] == e.schemaURL, (raw["schemaURL"], e.schemaURL)
        back = json.loads(Serde.to_json(e))
        assert strip(back) == strip(raw), (back, raw)
        (started if raw["eventType"] == "START" else completed).append(raw["run"]["runId"])
        events += 1
    assert sorted(started) == sorted(completed) and len(set(started)) == len(started), "a run needs one START and one COMPLETE"
    print(f"{path}: {events} events")


def strip(v):
    """Leaves out what is empty, as their serialiser does."""
    if isinstance(v, dict):
        return {k: strip(x) for k, x in v.items() if x not in (None, [], {})}
    if isinstance(v, list):
        return [strip(x) for x in v]
    return v


def intoto(path):
    """Checks each line to be a DSSE envelope of an in-toto statement."""
    n = 0
    for line in open(path, encoding="utf-8"):
        e = json.loads(line)
        assert set(e) == {"payload", "payloadType", "signatures"} and e["payloadType"] == "application/vnd.in-toto+json", e
        assert e["signatures"] and all(base64.b64decode(s["sig"], validate=True) for s in e["signatures"])
        s = json.loads(base64.b64decode(e["payload"], validate=True))
        assert s["_type"] == "https://in-toto.io/Statement/v1" and s["predicateType"] and s["subject"], s
        assert all(len(x["digest"]["sha256"]) == 64 for x in s["subject"])
        n += 1
    print(f"{path}: {n} envelopes")


if __name__ == "__main__":
    ask = {f.__name__: f for f in (crate, croissant, counts, openlineage, intoto)}[sys.argv[1]]
    for p in sys.argv[2:]:
        ask(p)
