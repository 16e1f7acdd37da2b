"""An S3 server on loopback, for the tests that need a real object store's answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

BUCKET = "factory-tests"


@contextmanager
def serve_s3() -> Iterator[str]:
    """The server's URL. One request at a time: moto checks If-None-Match and writes in two steps."""
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, app, threaded=False, request_handler=MotoRequestHandler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def environment(url: str) -> dict[str, str]:
    """What a process needs to use the server; the credentials are dummies."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "dummy",
        "AWS_SECRET_ACCESS_KEY": "dummy",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture(scope="session")
def s3_bucket() -> Iterator[str]:
    """`s3://bucket` on a running server, with the environment set for it."""
    import s3fs

    with serve_s3() as url, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(url).items():
            patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()  # an older one would talk to an older server
        s3fs.S3FileSystem().makedirs(BUCKET, exist_ok=True)
        yield f"s3://{BUCKET}"
