"""What the pictures show, by hand."""

import re

from factory.looking.curves import Curve, HistogramLine, Panel
from factory.looking.lineage import Edge, Graph, Node
from factory.looking.tally import Bin
from factory.looking.words import Piece
from factory.page.drawn.course import course_plots
from factory.page.drawn.curves import histogram_plot, panel_plot
from factory.page.drawn.graph import graph_svg
from factory.page.drawn.small import HEIGHT, bins, spark
from factory.page.lineage import with_bundles
from factory.page.sample import joined
from factory.progress_log import ModelProgress, ProgressLine


def node(id, kind="dataset", **changes):
    return Node(**{"id": id, "kind": kind, "name": id, "what": "traces", "where": id} | changes)


def test_a_spark_has_a_gap_where_nothing_is_known():
    drawn = spark([0.0, 2.0, None, 4.0, 2.0], "a")
    first, second = (points.split() for points in re.findall(r'points="([^"]*)"', drawn))
    assert (len(first), len(second)) == (2, 2)
    assert second[0] == "75.0,1.0"  # the highest
    assert spark([], "nothing").count("<polyline") == 0
    assert spark([None, 3.0, None], "one").count("<polyline") == 1
    assert spark([float(n) for n in range(5000)], "long").count(",") < 200


def test_bars_are_as_high_as_their_rows_and_lead_to_them():
    found = [Bin(0.0, 1.0, 10), Bin(1.0, 2.0, 5), Bin(2.0, 3.0, 0)]
    drawn = bins(found, "b", lambda each: f'/x?a="{each.low}&')
    heights = [float(high) for high in re.findall(r' height="([\d.]+)"', drawn)]
    assert heights == [HEIGHT, HEIGHT / 2, 0]
    assert drawn.count("<a ") == 2  # nothing to lead to from an empty one
    assert 'href="/x?a=&quot;0.0&amp;"' in drawn


def test_origins_of_a_tall_graph_stand_at_its_top():
    many = [f"made-{n}" for n in range(100)]
    graph = Graph(
        nodes=[node("origin"), *map(node, many)],
        edges=[Edge(source="origin", to=each, role="data") for each in many],
        focus=None,
        layers=[["origin"], many],
        is_cut=False,
    )
    corners = re.findall(r"translate\(([\d.]+) ([\d.]+)\)", graph_svg(graph, lambda each: None))
    [origin], made = ([float(y) for x, y in corners if (float(x) == 10) is first] for first in (True, False))
    assert made == [10 + 60 * n for n in range(100)]
    assert origin == 10 + 60 * 5.5  # in the middle of twelve, which a screen shows


def test_a_graph_goes_from_left_to_right_and_says_what_is_missing():
    nodes = [node("p"), node("t", name='<b>"x'), node("gone", is_missing=True, kind="checkpoint")]
    edges = [Edge(source="p", to="t", role="data"), Edge(source="gone", to="t", role="policy")]
    graph = Graph(nodes=nodes, edges=edges, focus="t", layers=[["p", "gone"], ["t"]], is_cut=False)
    drawn = graph_svg(graph, lambda each: None if each.is_missing else f"/{each.id}")
    places = dict(re.findall(r'class="(node[^"]*)" transform="translate\(([\d.]+)', drawn))
    assert float(places["node here"]) > float(places["node gone"])
    assert drawn.count("marker-end") == 2
    assert drawn.count("<a ") == 2
    assert "<b>" not in drawn


def test_files_that_went_into_the_same_things_are_one_node():
    files = [node(f"f{number}", "file", name=f"part {number}") for number in range(5)]
    edges = [Edge(source=each.id, to="p", role="source") for each in files]
    other = node("other", "file")
    graph = Graph(
        nodes=[*files, other, node("p")],
        edges=[*edges, Edge(source="other", to="p", role="held-out")],
        focus=None,
        layers=[[*(each.id for each in files), "other"], ["p"]],
        is_cut=False,
    )
    found = with_bundles(graph)
    assert [each.name for each in found.nodes] == ["5 sources: part 0, …", "other", "p"]
    assert found.layers == [["f0", "other"], ["p"]]
    assert len(found.edges) == 2


def test_curves_show_what_was_measured_behind_what_is_smooth():
    curve = Curve(name="loss", kind="train", steps=[1, 2, 3], values=[3.0, 1.0, 2.0], smooth=[3.0, 2.0, 2.0], points=3)
    plot = panel_plot(Panel(title="Loss", unit="nats", curves=[curve]))
    assert plot.svg.count("<polyline") == 2
    assert plot.svg.index("faint") < plot.svg.rindex("<polyline")
    assert plot.keys == []
    empty = Curve(name="loss", kind="train", steps=[], values=[], smooth=[], points=0)
    assert panel_plot(Panel(title="Loss", unit="nats", curves=[empty])) is None


def test_a_histogram_is_darkest_where_most_is():
    line = HistogramLine(name="ratio", edges=[None, 0.5, 1.0, None], steps=[1, 2], counts=[[0, 4, 2], [0, 0, 8]])
    shades = re.findall(r'fill-opacity="([\d.]+)"', histogram_plot(line).svg)
    assert shades == ["1", "0.54", "1"]


def test_a_run_is_drawn_by_what_it_tells_of():
    lines = [ProgressLine(time=100.0 + 60 * n, rows_per_s=float(n), kept=n, what="prompts") for n in range(5)]
    assert [plot.title for plot in course_plots(lines)] == ["Rows a second", "Rows"]
    model = ModelProgress(
        model="m", engine="openai", in_flight=1, limit=8, requests=1, answered=1, refused=0, retried={}
    )
    asked = ProgressLine(time=400.0, models=[model], in_flight=1, spent_usd=1.0, completion_tokens_per_s=3.0)
    titles = [plot.title for plot in course_plots([*lines, asked])]
    assert titles == ["Rows a second", "Tokens a second", "Requests in flight, and their limit", "Rows", "Spent"]


def test_spaces_between_marked_words_are_marked():
    pieces = [Piece("same", "A "), Piece("only_first", "big"), Piece("same", " "), Piece("only_first", "dog")]
    pieces += [Piece("same", "\n"), Piece("only_first", "ran"), Piece("same", " home")]
    assert [(piece.kind, piece.text) for piece in joined(pieces)] == [
        ("same", "A "),
        ("only_first", "big dog"),
        ("same", "\n"),
        ("only_first", "ran"),
        ("same", " home"),
    ]
