"""A bucket of a real S3 server on loopback (moto's), which can be asked to misbehave."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tests import s3_server
from tests.corpus.emulators import S3App
from veritensor_ray.core.config import Store
from veritensor_ray.corpus.fetch import OpenArtifact
from veritensor_ray.corpus.listing import Listed, roots, walk
from veritensor_ray.corpus.planning import PlanRow


class LoopbackBucket:
    """A bucket on loopback, whose server can be asked to misbehave."""

    def __init__(self, app: S3App, endpoint: str) -> None:
        import boto3

        self.app, self.endpoint = app, endpoint
        self.client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
        self.store = Store(endpoint=endpoint, region="us-east-1", path_style=True, key="env:TEST_KEY", secret="env:TEST_KEY")
        self.stores = {"s3://": self.store}
        s3_server.empty(endpoint)
        self.client.create_bucket(Bucket="corpus")

    def put(self, key: str, body: bytes = b"hello", **options: Any) -> None:
        self.client.put_object(Bucket="corpus", Key=key, Body=body, **options)

    def keep_versions(self, status: str = "Enabled") -> None:
        self.client.put_bucket_versioning(Bucket="corpus", VersioningConfiguration={"Status": status})

    def write(self, key: str, history: Mapping[str, str | None]) -> None:
        """Write the versions of an object, by their times; None deletes it. The server takes the times for its own."""
        from moto.s3.models import s3_backends

        for text in history.values():
            if text is None:
                self.client.delete_object(Bucket="corpus", Key=key)
            else:
                self.put(key, text.encode())
        versions = s3_backends["123456789012"]["aws"].get_bucket("corpus").keys.getlist(key)
        for one, when in zip(versions, history, strict=True):
            one.last_modified = datetime.fromisoformat(when)

    def listed(self, source: str = "s3://corpus", as_of: str | None = None) -> list[Listed]:
        return [one for root in roots([source], self.stores, as_of=as_of) for one in walk(root, self.stores)]

    def opened(self, key: str, as_of: str | None = None) -> OpenArtifact:
        (root,) = roots(["s3://corpus"], self.stores, as_of=as_of)
        (one,) = (one for one in walk(root, self.stores) if one.artifact == key)
        return OpenArtifact(PlanRow(0, one.artifact, one.path, 0, one.size, one.etag, one.mtime), root, self.stores)
