"""A bucket of a real S3 server on loopback (moto's), which can be asked to misbehave."""

from __future__ import annotations

from typing import Any

import httpx

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
        httpx.post(f"{endpoint}/moto-api/reset")
        self.client.create_bucket(Bucket="corpus")

    def put(self, key: str, body: bytes = b"hello", **options: Any) -> None:
        self.client.put_object(Bucket="corpus", Key=key, Body=body, **options)

    def listed(self, source: str = "s3://corpus") -> list[Listed]:
        return [one for root in roots([source], self.stores) for one in walk(root, self.stores)]

    def opened(self, key: str) -> OpenArtifact:
        (root,) = roots(["s3://corpus"], self.stores)
        (one,) = (one for one in walk(root, self.stores) if one.artifact == key)
        return OpenArtifact(PlanRow(0, one.artifact, one.path, 0, one.size, one.etag, one.mtime), root, self.stores)
