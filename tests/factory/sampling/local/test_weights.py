"""Weights on their way: their checksums, what is accepted of them, and how they cross to another process."""

import asyncio
import json
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from factory.sampling.checkpoint import open_checkpoint
from factory.sampling.errors import RunError
from factory.sampling.in_vllm.weight_receiver import (
    SECRET_ENV,
    Guard,
    as_bytes,
    checksum,
    decode_ipc,
    encode_ipc,
    gloo_pair,
    unpacked,
)
from factory.sampling.weights.background import beside
from factory.sampling.weights.latest import Latest
from factory.sampling.weights.native import _parts
from factory.sampling.weights.push import check_same
from factory.sampling.weights.staging import TensorKind, kinds_of_checkpoint, stage

MASK = 2**64 - 1


def splitmix(x: int) -> int:
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)


def by_hand(tensor: torch.Tensor) -> str:
    """The definition, with Python's integers."""
    data = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    data += bytes(-len(data) % 8)
    words = [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)]
    total = sum(splitmix((word + (i + 1) * 0x9E3779B97F4A7C15) & MASK) for i, word in enumerate(words)) & MASK
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)} {total:016x}"


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5), (2, 4), (70_001,)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
def test_a_checksum_is_what_its_definition_gives(shape, dtype):
    tensor = torch.testing.make_tensor(shape, dtype=dtype, device="cpu")
    assert checksum(tensor) == by_hand(tensor)


def test_a_checksum_does_not_see_how_a_tensor_lies_in_memory():
    tensor = torch.arange(30, dtype=torch.bfloat16).reshape(5, 6)
    shifted = torch.cat([torch.zeros(1, dtype=torch.bfloat16), tensor.reshape(-1)])[1:].reshape(5, 6)
    assert checksum(tensor) == checksum(tensor.t().contiguous().t()) == checksum(shifted)


def test_a_checksum_sees_every_change():
    """Among them those that a sum, or a sum with weights, would not: all ones, all twos, two signs, an exchange."""
    plain = torch.arange(64, dtype=torch.float32)
    changed = [
        plain,
        torch.ones(64),
        torch.full((64,), 2.0),
        torch.zeros(64),
        plain.reshape(8, 8),
        plain.to(torch.int32),
    ]
    for places in ((0,), (63,), (1, 3), (0, 2)):
        other = plain.clone() + 1
        other[list(places)] *= -1
        changed.append(other)
    changed.append(plain[torch.tensor([2, 3, 0, 1, *range(4, 64)])])
    assert len({checksum(tensor) for tensor in changed}) == len(changed)


def test_the_differing_weight_is_named():
    sent = {"a": "1", "b": "2"}
    check_same(sent, [sent, dict(sent)])
    for loaded in ({"a": "1", "b": "3"}, {"a": "1"}):
        with pytest.raises(RunError, match=r"worker 1 got 1 of 2 weights wrong: b was 2"):
            check_same(sent, [sent, loaded])
    with pytest.raises(RunError, match="c was not there"):
        check_same(sent, [{**sent, "c": "1"}])
    with pytest.raises(RunError, match="did not say"):
        check_same(sent, [])


def test_staged_weights_are_copies_in_the_type_and_order_that_is_wanted():
    kinds = {"a": TensorKind("float32", (2,)), "b": TensorKind("bfloat16", (2, 3))}
    live = torch.ones(2, 3)
    staged = stage([("b", live.t().contiguous().t()), ("a", torch.nn.Parameter(torch.tensor([1.0, 2.0])))], kinds)
    live.zero_()
    assert list(staged) == ["b", "a"]
    assert staged["b"].tolist() == [[1.0] * 3] * 2
    assert (staged["b"].dtype, staged["b"].is_contiguous(), staged["a"].requires_grad) == (torch.bfloat16, True, False)


def test_the_weights_of_a_checkpoint_are_those_of_its_files(tiny_checkpoint, tmp_path):
    weights = load_file(tiny_checkpoint / "model.safetensors")
    kinds = kinds_of_checkpoint(open_checkpoint(tiny_checkpoint), None)
    assert {name: kind.shape for name, kind in kinds.items()} == {name: tuple(w.shape) for name, w in weights.items()}
    assert {kind.dtype for kind in kinds_of_checkpoint(open_checkpoint(tiny_checkpoint), "bfloat16").values()} == {
        "bfloat16"
    }


def copied(checkpoint: Path, folder: Path, change: dict[str, object], extra: dict[str, torch.Tensor]) -> Path:
    folder.mkdir()
    for file in checkpoint.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    save_file({**load_file(folder / "model.safetensors"), **extra}, folder / "model.safetensors")
    return folder


def test_a_tied_output_layer_that_was_saved_too_is_not_asked_for(tiny_checkpoint, tmp_path):
    saved_twice = {
        "lm_head.weight": load_file(tiny_checkpoint / "model.safetensors")["model.embed_tokens.weight"].clone()
    }
    tied = copied(tiny_checkpoint, tmp_path / "tied", {}, saved_twice)
    untied = copied(tiny_checkpoint, tmp_path / "untied", {"tie_word_embeddings": False}, saved_twice)
    assert "lm_head.weight" not in kinds_of_checkpoint(open_checkpoint(tied), None)
    assert "lm_head.weight" in kinds_of_checkpoint(open_checkpoint(untied), None)


def test_a_quantised_checkpoint_takes_no_weights(tiny_checkpoint, tmp_path):
    eighth = copied(tiny_checkpoint, tmp_path / "q", {}, {"model.scale": torch.ones(4, dtype=torch.float8_e4m3fn)})
    with pytest.raises(RunError, match=r"model\.scale is F8_E4M3, quantised"):
        kinds_of_checkpoint(open_checkpoint(eighth), None)


def test_bytes_cross_over_gloo_and_a_peer_that_is_not_there_is_noticed(tmp_path):
    sent = [torch.randn(3, 5), torch.randn(7).bfloat16(), torch.tensor(2.5)]
    received = [torch.empty_like(tensor) for tensor in sent]

    def receive() -> None:
        pair = gloo_pair(str(tmp_path), 1, 20)
        for tensor in received:
            pair.recv([as_bytes(tensor)], 0, 0).wait()

    receiver = threading.Thread(target=receive)
    receiver.start()
    pair = gloo_pair(str(tmp_path), 0, 20)
    for tensor in sent:
        pair.send([as_bytes(tensor)], 1, 0).wait()
    receiver.join()
    assert [checksum(tensor) for tensor in received] == [checksum(tensor) for tensor in sent]
    (tmp_path / "alone").mkdir()
    with pytest.raises(RuntimeError):
        gloo_pair(str(tmp_path / "alone"), 0, 0.5)


async def test_an_error_of_the_receiver_goes_before_one_of_the_sender():
    async def receive() -> str:
        await asyncio.sleep(0.2)
        raise RunError("why", "the receiver knows why")

    def send() -> None:
        raise OSError("connection closed")

    with pytest.raises(RunError, match="knows why"):
        await beside(receive(), send)


async def test_the_error_of_a_sender_alone_is_told(monkeypatch):
    monkeypatch.setattr("factory.sampling.weights.background.GRACE_S", 0.1)

    def send() -> None:
        raise OSError("connection closed")

    with pytest.raises(RunError, match="could not be sent: connection closed"):
        await beside(asyncio.sleep(600), send)


def test_what_a_handle_holds_crosses_as_plain_json():
    """The arguments as torch gives them for memory on a GPU, of which there need be none."""
    size, stride, handle = torch.Size([9]), (1,), b"\x00\xffhandle"
    given = (torch.Tensor, size, stride, 0, torch.storage.TypedStorage, torch.uint8, 3, handle, 512, 0, False)
    given = (*given, b"counter", 5, b"event", True)
    back = decode_ipc(json.loads(json.dumps(encode_ipc(given))), 0)
    assert back[:7] == (torch.Tensor, size, stride, 0, torch.UntypedStorage, torch.uint8, 0)
    assert back[7:] == given[7:]


def test_tensors_are_cut_out_of_a_buffer_as_copies():
    tensors = [("a", torch.randn(2, 3)), ("b", torch.randn(5).bfloat16()), ("c", torch.tensor(4.0))]
    buffer = torch.cat([as_bytes(tensor) for _, tensor in tensors])
    rows = [(name, str(one.dtype).removeprefix("torch."), list(one.shape)) for name, one in tensors]
    found = unpacked(buffer, rows)
    buffer.zero_()
    assert [(name, checksum(one)) for name, one in found] == [(name, checksum(one)) for name, one in tensors]


def test_parts_fit_the_buffer_and_keep_the_order(monkeypatch):
    monkeypatch.setattr("factory.sampling.weights.native.BUFFER_BYTES", 100)
    tensors = {name: torch.zeros(size) for name, size in zip("abcde", (10, 15, 11, 80, 1), strict=True)}
    parts = [[name for name, _ in part] for part in _parts(Latest(1, tensors, {}))]
    assert parts == [["a", "b"], ["c"], ["d"], ["e"]]


@pytest.mark.parametrize(
    ("path", "secret", "status"),
    [
        ("/collective_rpc", b"word", 200),
        ("/collective_rpc", b"", 403),
        ("/pause", b"ward", 403),
        ("/metrics", None, 403),
        ("/health", None, 200),
        ("/v1/chat/completions", None, 200),
        ("/inference/v1/generate", None, 200),
    ],
)
async def test_routes_for_development_are_for_whoever_knows_the_word(monkeypatch, path, secret, status):
    monkeypatch.setenv(SECRET_ENV, "word")
    told = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})

    async def send(message):
        told.append(message)

    headers = [] if secret is None else [(b"x-factory-guard", secret)]
    await Guard(app)({"type": "http", "path": path, "headers": headers}, None, send)
    assert told[0]["status"] == status
