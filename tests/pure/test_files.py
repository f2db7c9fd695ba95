"""Networks in text files: there and back, the hand-written examples, edits, width, the schema."""

import json
import re
import tomllib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mobilenet_lab import registry
from mobilenet_lab.analysis import analyse
from mobilenet_lab.errors import LabError
from mobilenet_lab.importers import schema
from mobilenet_lab.importers.files import loads, read
from mobilenet_lab.importers.lines import line_numbers
from mobilenet_lab.importers.writing import dumps
from mobilenet_lab.layers import Trace
from mobilenet_lab.net import Net
from mobilenet_lab.verbs.export import export

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "docs/examples").glob("*.toml"))
GUIDE = ROOT / "docs/files.md"
SCHEMA = Path(schema.__file__).with_name("net.schema.json")


def assert_same(trace: Trace, again: Trace) -> None:
    for layer, copy in zip(trace.layers, again.layers, strict=True):
        assert layer == copy
    assert trace.outputs == again.outputs
    assert dict(trace.taps) == dict(again.taps)
    assert trace.name == again.name


# There and back


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_every_network_is_the_same_when_read_back(name: str) -> None:
    trace = registry.trace(name)
    assert_same(trace, loads(dumps(trace)))


SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("mobilenet_v1", {"width": 0.25, "resolution": (128, 192), "classes": 7, "in_channels": 1}),
    ("mobilenet_v1", {"separable_blocks": False, "activation": "relu6"}),
    ("mobilenet_v2", {"width": 0.35, "resolution": 97}),
    ("mobilenet_v3_small", {"width": 0.05, "scaling": "slim"}),
    ("mobilenet_v3_large", {"width": 1.25, "dilated": True, "reduced_tail": True, "hidden": 99}),
    ("mixnet_l", {"width": 0.7}),
    ("mnasnet_a1", {"width": 0.35, "resolution": 160}),
    ("mobilenet_v4_conv_medium", {"width": 1.3}),
    ("resnet50", {"resolution": (65, 400), "classes": 3}),
    ("googlenet", {"auxiliary": True, "separable_stem": True}),
    ("googlenet_torchvision", {"auxiliary": True}),
    ("shufflenet_v2", {"size": "0.5x", "halves": False}),
    ("ghostnet", {"width": 0.5, "rounded_squeeze": False}),
    ("replknet_31b", {"merged": False, "kernels": "7-7-7-7"}),
    ("lenet5", {"original": True}),
    ("alexnet", {"width": 0.5}),
    ("lraspp_mobilenet_v3_large", {"rf2": True, "output_stride": 32, "resolution": (256, 512)}),
    ("ssdlite300_mobilenet_v2", {"style": "tensorflow", "width": 0.5}),
    ("ssdlite320_mobilenet_v3_large", {"style": "pytorch-ssd", "reduced_tail": False}),
    ("yolov4_mobilenet_v3", {"resolution": (320, 416), "classes": 1}),
    ("yolov5n", {"resolution": (320, 640), "width": 0.5}),
]


@pytest.mark.parametrize(("name", "options"), SETTINGS)
def test_so_it_is_at_other_settings(name: str, options: dict[str, Any]) -> None:
    trace = registry.trace(name, **options)
    assert_same(trace, loads(export(name, **options)))


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_large", "resnet18", "vgg16"])
def test_a_file_takes_another_resolution(name: str) -> None:
    options = {"resolution": (160, 224), "in_channels": 4, "classes": 5}
    assert_same(registry.trace(name, **options), loads(export(name), **options))


def test_blocks_that_are_alike_become_the_table_of_the_paper() -> None:
    lines = export("mobilenet_v2").splitlines()
    rows = [line for line in lines if re.match(r'    \["stage\d", +\d, ', line)]
    assert len(rows) == 16  # all but the first block, which has no expansion
    assert '    ["stage2", 0,  96, 2,  24, false, ""],' in rows
    assert sum(line.startswith("[blocks.") for line in lines) == 1
    assert (
        '    ["inception4a", 192,  96, 208, 16,  48,  64, ""],' in export("googlenet").splitlines()
    )


@pytest.mark.parametrize(
    ("name", "most"),
    [("mobilenet_v1", 50), ("mobilenet_v2", 60), ("resnet50", 70), ("yolov5n", 150)],
)
def test_a_file_is_short_enough_to_edit(name: str, most: int) -> None:
    assert len(export(name).splitlines()) <= most


def wide() -> Trace:
    """Layers beyond the registry's: other dimensions, norms, wiring, roles, inputs, names."""
    net = Net()
    x = net.tensor((3, 8, 16, 16), name="video")
    with net.part("a.b"):
        x = net.conv3d(x, 6, (3, 1, 1), (1, 2, 2), groups=3, name="c")
        with net.stage("s", role="r"), net.scope("deep"):
            x = net.conv_transpose(x, 4, 2, 2, output_padding=1, bias=True)
            x = net.group_norm(x, 2, vectors=1)
            x = net.act(x, "mish", name='odd "name" é')
    y = net.conv3d(x, 4, 3, padding="same", dilation=2)
    x = net.add(x, y, x)
    net.tap("weird tap", y)
    a, b = net.split(x, (1, 3))
    x = net.concat(b, a)
    x = net.flatten(x)
    z = net.tensor((7,), name="tokens")
    z = net.embedding(z, 50, 12)
    z = net.permute(net.layer_norm(z, eps=1e-6), (1, 0))
    z = net.slice(z, 1, 5, axis=1)
    z = net.matmul(z, net.parameter((4, 9)))
    return replace(net.trace(z, x), name="network")


def test_other_layers_come_back_too() -> None:
    trace = wide()
    assert_same(trace, loads(dumps(trace)))


NAMES = ["a", "b", "conv", "0", "1", "expand", "norm", "input", "se", "x.y", "stage1", "act"]


def scribbled(random: Random) -> Trace:
    """Any scopes in any order, also opened twice, and any wiring."""
    net = Net()
    features = [net.input(4, 8)]

    def body(depth: int) -> None:
        for _ in range(random.randint(1, 4)):
            name, x = random.choice(NAMES), random.choice(features)
            kind = random.choice(["part", "stage", "block", "scope"])
            role = random.choice(["", "", "r", "q", name])
            with suppress(LabError):  # two layers of one name
                match random.randint(0, 9):
                    case 0 | 1 | 2 | 3 if depth < 4:
                        told = {} if kind == "part" else {"role": role}
                        with getattr(net, kind)(name, **told):
                            body(depth + 1)
                        continue
                    case 4 | 5:
                        groups, act = (
                            random.choice([1, 2, 4]),
                            random.choice([None, "relu", "silu"]),
                        )
                        x = net.conv(features[-1], 4, groups=groups, act=act, name=name, role=role)
                    case 6:
                        x = net.add(x, features[-1], name=name)
                    case 7:
                        x = net.conv2d(x, 4, 1, name=name)
                    case 8:
                        x = net.batch_norm(net.tap(name, x), name=name)
                    case _:
                        x = net.act(features[-1], "relu", name=name)
                features.append(x)

    body(0)
    body(0)
    return replace(net.trace(*random.sample(features, min(2, len(features)))), name="network")


@pytest.mark.parametrize("seed", range(0, 200, 20))
def test_any_scopes_and_wiring_come_back(seed: int) -> None:
    for each in range(seed, seed + 20):
        trace = scribbled(Random(each))
        assert_same(trace, loads(dumps(trace)))


def test_what_a_file_cannot_say_names_the_layer() -> None:
    net = Net()
    x = net.input(3, 8)
    trace = net.trace(net.act(x, "relu", name="r"))
    odd = trace.layers[1]._replace(eps=0.5)
    with pytest.raises(LabError, match="layer r"):
        dumps(Trace((trace.layers[0], odd), (1,)))
    with pytest.raises(LabError, match="r: a file cannot say 'unknown'"):
        dumps(Trace((trace.layers[0], odd._replace(op="unknown")), (1,)))
    with pytest.raises(LabError, match="begins with its input"):
        dumps(Trace((), ()))
    with pytest.raises(LabError, match="what no layer uses: lost"):
        dumps(Trace(trace.layers, (1,), unused={"lost": 3}))


# Examples


def test_mobilenet_v2_by_hand_is_the_registered_one_at_every_setting() -> None:
    path = ROOT / "docs/examples/mobilenet_v2.toml"
    for options in ({}, {"width": 0.35}, {"width": 1.4, "resolution": "96x160"}, {"classes": 7}):
        ours, by_hand = registry.trace("mobilenet_v2", **options), read(path, **options)
        assert_same(ours, by_hand)
        assert by_hand.settings == ours.settings


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_read_written_and_read(path: Path) -> None:
    trace = read(path)
    assert trace.name == path.stem
    assert trace.layers[-1].out_shape == (trace.settings["classes"],)
    assert analyse(trace).total.macs > 0
    assert_same(trace, loads(dumps(trace)))


def fences() -> list[str]:
    return re.findall(r"```toml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("text", fences())
def test_every_example_of_the_guide_is_read(text: str) -> None:
    assert len(loads(text).layers) > 1


def test_the_guide_and_the_examples_are_found() -> None:
    assert len(fences()) >= 4
    assert len(EXAMPLES) >= 4


# Edits


def edited(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


def test_one_number_in_one_line_moves_every_number_as_it_must() -> None:
    text = export("mobilenet_v2")
    before = analyse(loads(text)).total
    row = '    ["stage2", 1, 144, 1,  24,  true, "C2"],'
    after = analyse(loads(edited(text, row, row.replace("144", "145")))).total
    # one more channel between 1x1 (24 in), 3x3 depthwise and 1x1 (24 out), on 56 x 56
    assert after.macs - before.macs == (24 + 9 + 24) * 56 * 56
    assert after.params - before.params == 24 + 9 + 24 + 2 * 2  # and two batch norms


def test_the_papers_table_moves_too() -> None:
    text = (ROOT / "docs/examples/mobilenet_v2.toml").read_text("utf-8")
    row = "[6,  96, 3, 1, "
    before, after = loads(text), loads(edited(text, row, "[6,  96, 4, 1, "))
    block = 96 * 576 + 9 * 576 + 576 * 96
    assert analyse(after).total.macs - analyse(before).total.macs == block * 14 * 14
    assert after.layer("stage5.3.add").inputs[0] < after.layer("stage5.3.add").inputs[1]


# Width


def test_the_width_multiplies_plain_numbers_only() -> None:
    text = """
input = "3x8x8"
width = 0.5
classes = 10
layers = [
  { op = "conv", name = "plain", channels = 33 },
  { op = "conv", name = "fixed", channels = 33, fixed = true },
  { op = "conv", name = "told", channels = "c_in + 1" },
  { op = "conv", name = "depthwise", groups = "depthwise" },
  { op = "b", c = 40, other = 40 },
  { op = "classifier", classes = "classes" },
]
[blocks.b]
arguments = ["c", "other"]
channels = ["c"]
layers = [{ op = "conv", name = "x", channels = "c" }, { op = "conv", channels = "other" }]
"""
    trace = loads(text)
    convs = [layer.out_shape[0] for layer in trace.layers if layer.op == "conv2d"]
    assert convs == [16, 33, 34, 34, 24, 40]
    assert trace.layers[-1].out_shape == (10,)
    assert trace.settings["width"] == 0.5
    whole = loads(text, width=1)
    convs = [layer.out_shape[0] for layer in whole.layers if layer.op == "conv2d"]
    assert convs == [33, 33, 34, 34, 40, 40]  # also what is no multiple of 8


def test_the_answers_of_an_export_keep_their_channels() -> None:
    half = loads(export("yolov5n"), width=0.5)
    assert [half.layers[i].out_shape[0] for i in half.outputs] == [255, 255, 255]


@pytest.mark.parametrize("width", [0.25, 0.5, 1.5])
def test_the_width_of_an_export_is_that_of_the_network_where_it_multiplies(width: float) -> None:
    half = registry.trace("mobilenet_v1", width=width)
    assert_same(half, loads(export("mobilenet_v1"), width=width))


def test_blocks_without_a_name_are_numbered_in_their_stage() -> None:
    text = """
input = "8x8x8"
layers = [
  { stage = "s", layers = [
    { op = "separable", c = 8, s = 1, act = "relu" },
    { op = "separable", c = 8, n = 2, s = 2, act = "relu" },
    { block = "named", op = "separable", c = 8, s = 1, act = "relu" },
    { op = "squeeze_excite", squeeze = 4 },
  ] },
  { op = "separable", c = 8, s = 1, act = "relu" },
]
"""
    trace = loads(text)
    blocks = dict.fromkeys(layer.block for layer in trace.layers)
    assert [*blocks] == ["input", "s.0", "s.1", "s.2", "s.named", "s", "0"]
    depthwise = [layer for layer in trace.layers if layer.groups > 1]
    assert [layer.stride[0] for layer in depthwise] == [1, 2, 1, 1, 1]


def test_layers_can_be_an_array_of_tables() -> None:
    text = 'input = "3x8x8"\n[[layers]]\nop = "conv"\nchannels = 4\n[[layers]]\nop = "relu"\n'
    assert [layer.op for layer in loads(text).layers][-2:] == ["relu", "relu"]
    with pytest.raises(LabError, match="line 5: add: cannot"):
        loads(text.replace('"relu"', '"add"\nfrom = ["input", "conv"]'))
    with pytest.raises(LabError, match="line 2: unknown key 'lawyers'"):
        loads(text.replace("layers", "lawyers"))


def test_names_come_from_the_file() -> None:
    text = 'input = "3x8x8"\nlayers = [{ op = "relu" }]\n'
    assert loads(text, "folder/mine.toml").name == "mine"
    assert loads(f'name = "n"\n{text}', "folder/mine.toml").name == "n"
    assert loads(text).settings == {"resolution": (8, 8), "in_channels": 3}


def test_names_are_found_from_inside_out() -> None:
    text = """
input = "4x8x8"
layers = [
  { op = "conv", name = "a", channels = 4, tap = "T" },
  { stage = "s", layers = [
    { op = "conv", name = "a", channels = 4 },
    { scope = "inner", layers = [
      { op = "relu", from = "a" },
      { op = "add", from = ["act", "s.a", "T", "input"] },
    ] },
  ] },
  { op = "add", from = ["a", "s", "s.inner.act"] },
]
"""
    trace = loads(text)
    at = {layer.name: number for number, layer in enumerate(trace.layers)}
    inner, last = trace.layer("s.inner.add"), trace.layer("add")
    assert trace.layer("s.inner.act").inputs == (at["s.a.act"],)
    assert inner.inputs == (at["s.inner.act"], at["s.a.act"], at["a.act"], 0)
    assert last.inputs == (at["a.act"], at["s.inner.add"], at["s.inner.act"])


# Lines


TEXT = '''# a comment with [brackets] = "x"
a = 1
"b c".d = """
two lines [[
"""
[t]
list = [1, # one
  { k = [
    "]", '}', 3.5 ] },
]
[[t.array]]
x = 1979-05-27 07:32:00
[[t.array]]
x = 2
y.z = true
'''


def test_every_value_has_its_line() -> None:
    lines = line_numbers(TEXT)
    tomllib.loads(TEXT)
    expected = {
        ("a",): 2, ("b c", "d"): 3, ("t",): 6, ("t", "list"): 7, ("t", "list", 0): 7,
        ("t", "list", 1): 8, ("t", "list", 1, "k"): 8, ("t", "list", 1, "k", 0): 9,
        ("t", "list", 1, "k", 2): 9, ("t", "array", 0, "x"): 12, ("t", "array", 1, "x"): 14,
        ("t", "array", 1, "y", "z"): 15,
    }  # fmt: skip
    assert {path: lines[path] for path in expected} == expected


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Any:
    yield path
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(each, (*path, key))


@pytest.mark.parametrize("name", ["mobilenet_v2", "mixnet_s", "yolov5n"])
def test_no_value_of_an_export_is_without_a_line(name: str) -> None:
    text = export(name)
    lines = line_numbers(text)
    assert set(paths(tomllib.loads(text))) - {(), ("blocks",)} <= set(lines)


# Whatever is edited


EXPORT = export("mobilenet_v3_small")
CUTS = [found.span() for found in re.finditer(r'\d+|"[a-z_0-9]*"|[{}\[\],=]|true|false', EXPORT)]


@settings(max_examples=150, deadline=None)
@given(
    at=st.integers(0, len(CUTS) - 1),
    new=st.sampled_from(
        ["0", "-1", "7", "1e9", "99999999999", '""', '"x"', '"c_in"', "[]", "{}", "true", "", ",",
         "[[1]]", '"1+"', '"9999*9999*9999*9999*9999"', "nan", '"none"', '"input"', '"relu"']
    ),
)  # fmt: skip
def test_any_slip_of_the_pen_gives_a_network_or_one_sentence(at: int, new: str) -> None:
    start, end = CUTS[at]
    said = ""
    try:
        loads(EXPORT[:start] + new + EXPORT[end:])
    except LabError as error:
        said = str(error)
    assert not said or re.fullmatch(r"net\.toml, line \d+(, column \d+)?: .+", said)


# The schema


def test_the_committed_schema_is_in_step() -> None:
    assert SCHEMA.read_text("utf-8") == schema.text()


def test_exports_and_examples_are_valid_and_slips_are_not() -> None:
    validator = Draft202012Validator(schema.schema())
    texts = [export(name) for name in registry.NETWORKS]
    texts += [path.read_text("utf-8") for path in EXAMPLES] + fences()
    for text in texts:
        validator.validate(tomllib.loads(text))
    good = 'input = "3x8x8"\nlayers = [{ op = "conv", channels = 8 }]\n'
    assert validator.is_valid(tomllib.loads(good))
    for old, new in (
        ("channels", "chanels"), ("input", "inputs"), ("= 8 ", "= true "), ('op = "conv", ', ""),
    ):  # fmt: skip
        assert not validator.is_valid(tomllib.loads(edited(good, old, new)))
    assert json.loads(schema.text()) == schema.schema()
