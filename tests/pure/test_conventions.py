"""The closed forms of what the counters count, worked out by hand."""

import inspect

import pytest
from networks import NAMES
from one_layer import FOREIGN, MAP, ONE_LAYER, ORDER, foreign, one_layer
from typer.testing import CliRunner

import mobilenet_lab as lab
from mobilenet_lab import registry
from mobilenet_lab.analysis import LEVELS, analyse
from mobilenet_lab.cli import app
from mobilenet_lab.conventions import CONVENTIONS, convention
from mobilenet_lab.errors import UnknownNameError
from mobilenet_lab.net import Net
from mobilenet_lab.reconciliation import bridge, reconcile

TOOLS = [name for name in CONVENTIONS if name != "paper"]


@pytest.mark.parametrize("kind", ONE_LAYER)
def test_one_layer(kind: str) -> None:
    trace = one_layer(kind)
    counts = tuple(CONVENTIONS[name].total(trace.layers) for name in ORDER)
    assert counts == ONE_LAYER[kind][1]


@pytest.mark.parametrize("kind", FOREIGN)
def test_one_foreign_layer(kind: str) -> None:
    layer, counts = FOREIGN[kind]
    assert tuple(CONVENTIONS[name].count(layer) for name in ORDER) == counts


def test_of_an_unknown_operation_nothing_is_said() -> None:
    layer = foreign("unknown", MAP, mode="grid_sampler")
    assert all(each.terms(layer) == () for each in CONVENTIONS.values())


def test_a_matrix_times_a_vector_is_counted_by_who_knows_the_operator() -> None:
    layer = foreign("matmul", (6, 8), in_shapes=(MAP, (10,)))
    counts = {name: CONVENTIONS[name].count(layer) for name in ("paper", "torchprofile")}
    assert counts == {"paper": 480, "torchprofile": 480}
    assert CONVENTIONS["flop_counter"].count(layer) == 0
    assert CONVENTIONS["ptflops_aten"].count(layer) == 0


def test_counts_are_ints() -> None:
    for kind in ONE_LAYER:
        for each in CONVENTIONS.values():
            assert type(each.total(one_layer(kind).layers)) is int


def test_what_each_term_is_called() -> None:
    macs, matrices = "MACs of conv and linear", "MACs of matrix products"
    attention = "MACs of attention"
    bias, spread = "bias adds", "weights of transposed conv, at output positions"
    batch, group = "batch norm, per element", "group norm, per element"
    layer, instance = "layer norm, per element", "instance norm, per element"
    pools, twice, upsampled = "input of pools", ", module and function", "upsampled elements"
    adaptive, lrn = "adaptive average pools", "products and window sums of local response norm"
    names = {
        key: {
            term.name
            for kind in ONE_LAYER
            for layer in one_layer(kind).layers[1:]
            for term in each.terms(layer)
        }
        | {term.name for layer, _ in FOREIGN.values() for term in each.terms(layer)}
        for key, each in CONVENTIONS.items()
    }
    average = "output of average pools"
    assert names == {
        "paper": {macs, matrices, attention},
        "fvcore": {
            *(macs, matrices, batch, layer, group, instance),
            *(f"input of {adaptive}", upsampled),
        },
        "torchinfo": {
            *(macs, spread, bias, "batch norm, per channel", "group norm, per channel"),
            *("instance norm, per channel", "layer norm, per value", "rms norm, per value"),
            *("parameters of linear layers over rows", "parameters of embeddings"),
        },
        "flop_counter": {macs, matrices, attention},
        "ptflops_pytorch": {
            *(macs, bias, batch, layer, group, instance),
            *(f"relu{twice}", f"gelu{twice}", f"elu{twice}"),
            *("relu6", "silu", "softmax", "leaky relu", f"{pools}{twice}", upsampled, lrn),
        },
        "ptflops_aten": {macs, matrices, attention, bias},
        "thop": {
            *(macs, spread, batch, layer, instance, average, upsampled),
            *(f"input of {adaptive}", f"output of {adaptive}"),
            *("rows of softmax", "cut off in floating point"),
        },
        "calflops": {
            *(macs, bias, batch, layer, group, instance, pools, lrn),
            *("relu", "leaky relu", "silu", "gelu", "elu", "softmax"),
            *("input of upsamplings", "positions upsampled to"),
        },
        "torchprofile": {
            *(macs, matrices, attention, spread, batch, layer, group, instance),
            *(f"output of {adaptive}", average, "products with gates", upsampled, "leaky relu"),
            *("local response norm, per element", "means", "products with numbers"),
        },
    }


@pytest.mark.parametrize(
    ("channels", "size", "printed"),
    [(128, (2, 3), 7039), (128, (3, 2), 7039), (512, (7, 7), 50176), (512, (14, 7), 75264)],
)
def test_thop_cuts_what_floating_point_leaves_just_below_an_integer(
    channels: int, size: tuple[int, int], printed: int
) -> None:
    net = Net()
    trace = net.trace(net.adaptive_avg_pool(net.input(channels, size), 7))
    assert CONVENTIONS["thop"].total(trace.layers) == printed
    exact = channels * (size[0] * size[1] + 49)
    cut = {term.name: term.total for term in bridge(CONVENTIONS["thop"], trace)}
    assert cut.get("cut off in floating point", 0) == printed - exact


def test_every_convention_is_tried_and_says_its_rule() -> None:
    assert tuple(CONVENTIONS) == ORDER
    for each in CONVENTIONS.values():
        said = inspect.getdoc(each.terms) or ""
        assert "per MAC" in said or each.name == "paper"
        assert ("0" in said) or ("Leaves out" in said) or each.name == "flop_counter"
        assert bool(each.release) == (each.name != "paper")
        assert each.per_mac == (2 if each.calls_it == "FLOPs" else 1)
        assert not said.endswith(" ")


PRINTS = {
    # measured on torchvision's models at 224 x 224
    "mobilenet_v2": {
        "paper": 300_774_272,
        "fvcore": 314_193_216,
        "torchinfo": 300_809_384,
        "flop_counter": 601_548_544,
        "torchprofile": 307_453_664,
    }
}


@pytest.mark.parametrize("name", PRINTS)
def test_what_the_tools_print(name: str) -> None:
    trace = registry.trace(name)
    for key, count in PRINTS[name].items():
        assert CONVENTIONS[key].total(trace.layers) == count


# The bridge


@pytest.mark.parametrize("name", NAMES)
def test_a_bridge_starts_with_the_macs_and_adds_up(name: str) -> None:
    trace = registry.trace(name)
    macs = analyse(trace).total.macs
    for each in CONVENTIONS.values():
        terms = bridge(each, trace)
        assert (terms[0].each, terms[0].base) == (each.per_mac, macs)
        assert sum(term.total for term in terms) == each.total(trace.layers)
        assert len({(term.name, term.each) for term in terms}) == len(terms)
        assert all(term.base for term in terms)


def test_the_bridge_of_mobilenet_v2_in_named_terms() -> None:
    terms = {term.name: (term.each, term.base) for term in bridge(CONVENTIONS["fvcore"], V2)}
    assert terms == {
        "MACs of conv and linear": (1, 300_774_272),
        "batch norm, per element": (2, 6_678_112),
        "input of adaptive average pools": (1, 62_720),
    }
    (_, norm, bias) = bridge(CONVENTIONS["torchinfo"], V2)
    assert (norm.name, norm.each, norm.base) == ("batch norm, per channel", 2, 17_056)
    assert (bias.name, bias.total) == ("bias adds", 1_000)


V2 = registry.trace("mobilenet_v2")


def test_reconcile_is_the_same_in_python_and_on_the_command_line() -> None:
    table = lab.reconcile("mobilenet_v2", width=0.5, resolution="192x160")
    command = ["reconcile", "mobilenet_v2", "--width", "0.5", "--resolution", "192x160"]
    for form in ("table", "markdown", "csv", "json", "latex", "html"):
        ran = CliRunner().invoke(app, [*command, "--format", form])
        assert (ran.exit_code, ran.stderr) == (0, "")
        assert ran.stdout == table.to(form)
    trace = registry.trace("mobilenet_v2", width=0.5, resolution=(192, 160))
    for name, step in table.totals.items():
        assert step.term.total == CONVENTIONS[name].total(trace.layers)
        assert table.facts["tools"][name]["prints"] == step.term.total
    assert table.differing == ()


def test_reconcile_fits_a_screen() -> None:
    lines = str(reconcile("mobilenet_v2")).splitlines()
    assert len(lines) <= 45
    assert max(map(len, lines[:-4])) <= 80


def test_a_trace_of_one_s_own_reconciles_too() -> None:
    net = Net()
    trace = net.trace(net.conv(net.input(3, 8), 4))
    assert reconcile(trace).totals["fvcore"].term.total == 27 * 4 * 64 + 2 * 4 * 64


# summary --convention


@pytest.mark.parametrize("name", list(CONVENTIONS))
@pytest.mark.parametrize("level", LEVELS)
def test_a_summary_under_any_convention_adds_up(name: str, level: str) -> None:
    trace = registry.trace("mobilenet_v3_small", resolution=96)
    table = lab.summary(trace, level=level, convention=name, columns="name,count,macs,share")
    counts = [record["count"] for record in table.records()]
    total = table.record(table.total)
    assert sum(counts) == total["count"] == CONVENTIONS[name].total(trace.layers)
    assert total["macs"] == analyse(trace).total.macs
    assert total["share"] == 1
    assert table.facts["convention"] == CONVENTIONS[name].heading


@pytest.mark.parametrize("name", TOOLS)
def test_the_header_names_the_convention(name: str) -> None:
    ran = CliRunner().invoke(app, ["summary", "mobilenet_v2", "--convention", name])
    assert ran.exit_code == 0
    lines = ran.stdout.splitlines()
    tool = CONVENTIONS[name]
    assert lines[1].startswith(f"Counts by convention {name}: “{tool.calls_it}” of {tool.tool}")
    assert f"{name} {tool.calls_it}" in lines[3]
    assert f"{CONVENTIONS[name].total(V2.layers):,}" in ran.stdout
    assert "MACs by convention" not in ran.stdout
    assert "Not counted as MACs" not in ran.stdout
    assert max(map(len, lines[3:])) <= 84


def test_the_papers_convention_is_what_a_summary_has_anyway() -> None:
    assert str(lab.summary("mobilenet_v2", convention="paper")) == str(lab.summary("mobilenet_v2"))


def test_an_unknown_convention_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown convention 'fvcor': did you mean fvcore"):
        convention("fvcor")
    ran = CliRunner().invoke(app, ["summary", "mobilenet_v2", "--convention", "ptflop"])
    assert ran.exit_code == 2
    assert "did you mean ptflops_aten" in ran.stderr
