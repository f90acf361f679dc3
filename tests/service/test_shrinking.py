"""A file of weights that shrinks under the real worker, whose tensors are mapped from it."""

import asyncio
import os
import shutil
import signal
from pathlib import Path

import pytest

from engine.service import ProcessWorker, Service
from engine.service.events import Failed, Finished, Step
from tests.service.stub import request, wait_for, watch

UNET = Path("unet", "diffusion_pytorch_model.safetensors")


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a mapped file cannot shrink")
async def test_a_file_that_shrinks_ends_its_run_alone(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    for name in ("shrinking", "tiny"):
        shutil.copytree(tiny_checkpoint, models / name)
    service = Service(lambda: ProcessWorker("cpu", "float32", models), tmp_path / "out", models)
    service.start()
    try:
        ended = service.submit(request(model="shrinking", steps=900), "ann")
        same = service.submit(request(model="shrinking"), "ann")
        other = service.submit(request(), "bob")
        await wait_for(service, ended, Step)
        pid = service.status["pid"]
        os.truncate(models / "shrinking" / UNET, 1000)
        last = (await watch(service, ended))[-1]
        assert isinstance(last, Failed)
        assert last.message == (
            f"The engine's process stopped unexpectedly (signal {signal.SIGBUS:d}, perhaps a file "
            "of the model that changed while it was read). "
            "A new one is starting; your other jobs go on."
        )
        last = (await watch(service, same))[-1]
        assert isinstance(last, Failed)
        assert str(UNET) in last.message and "truncated" in last.message
        assert isinstance((await watch(service, other, "bob"))[-1], Finished)
        assert service.status["pid"] != pid
        shutil.copyfile(tiny_checkpoint / UNET, models / "shrinking" / UNET)
        again = service.submit(request(model="shrinking"), "ann")
        assert isinstance((await watch(service, again))[-1], Finished)
    finally:
        await asyncio.to_thread(service.stop)
