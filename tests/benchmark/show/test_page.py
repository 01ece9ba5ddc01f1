import re
import shlex
from html.parser import HTMLParser

import pytest

from codixr_bench.result import Coverage, ModelInfo, TrackInfo, make_result
from codixr_bench.score import ClassScore, Score, Skill
from codixr_bench.show.forest import difference_strip, strip_of
from codixr_bench.show.page import commands, run_page
from codixr_bench.task import Task
from helpers.metric_fakes import example_scores

TRACK = TrackInfo(name="phantom", version="1", fingerprint="0" * 64, split="test", n=2000)


def a_result(scores, model="codixr", generation=None, scored=2000):
    return make_result(
        task=Task.parse("L+T->F"),
        track=TRACK,
        model=ModelInfo(name=model, version="0.1.0"),
        generation={"seed": 7} if generation is None else generation,
        coverage=Coverage(expected=2000, scored=scored),
        scores=scores,
        timings={"score": 3.25},
    )


def a_score(name="auroc_macro", value=0.75, **others):
    values = {"ci95": (0.7, 0.8), "n": 2000, "higher_is_better": True, "signature": "made:here"}
    return Score(name=name, value=value, **(values | others))


class Page(HTMLParser):
    """Tags that are opened and closed in order, and every address in an attribute."""

    VOID = frozenset({"meta", "img", "line", "rect", "circle"})

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.feed(content.decode())
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [v for k, v in attributes if k in ("src", "href", "srcset", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_page_is_one_file_that_loads_nothing_and_is_well_formed():
    content = run_page(a_result(example_scores(True, 0.9)), grid=b"picture")
    page = Page(content)
    assert page.addresses == ["data:image/png;base64,cGljdHVyZQ=="]
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert b"default-src 'none'" in content
    assert b"prefers-color-scheme: dark" in content
    assert not re.search(rb"https?://|url\(|@import", content)


def test_what_files_say_is_escaped_wherever_it_stands():
    attack = "<script>x</script>&\"'"
    by_class = {
        "<b>Lesion": ClassScore(value=0.5, n_pos=3, n_neg=4, note=attack),
        "Edema": ClassScore(value=None, reason=attack, n_pos=0, n_neg=4),
    }
    scores = [
        a_score(per_class=by_class, signature=attack),
        a_score("<i>name", None, reason=attack, ci95=None),
    ]
    found = a_result(scores, generation={"seed": 0, "prompt": attack})
    text = run_page(found).decode()
    assert {"script", "b", "i"}.isdisjoint(Page(text.encode()).tags)
    assert text.count("&lt;script&gt;x&lt;/script&gt;&amp;") >= 4
    assert attack not in text


def test_numbers_are_those_of_the_table_and_no_time_is_in_it():
    result = a_result(example_scores(False, 0.9), scored=1999)
    text = run_page(result).decode()
    assert "0.900" in text
    assert "0.880 – 0.930" in text
    assert "Samples are missing." in text
    assert "Pneumonia: not scored: all known labels are absent" in text
    assert "3.25" not in text
    assert run_page(result) == text.encode()


def test_a_strip_stands_on_the_scores_range_and_its_references_on_it():
    skill = Skill(value=0.5, constant=0.5, ceiling=1.0, of="real")
    strip = strip_of(a_score(skill=skill), [("noise", a_score(value=0.25))])
    assert (strip.low, strip.high) == (0.0, 1.0)
    assert strip.value == 75.0
    assert strip.interval == pytest.approx((70.0, 10.0))
    assert dict(strip.marks) == {"noise": 25.0, "constant": 50.0, "real": 100.0}


def test_a_distance_reaches_from_0_to_the_greatest_beside_it():
    score = a_score("fid_phantom", 20.0, ci95=(10.0, 30.0), higher_is_better=False)
    strip = strip_of(score, [("noise", a_score("fid_phantom", 80.0, ci95=(70.0, 100.0)))])
    assert (strip.low, strip.high) == (0.0, 80.0)
    assert (strip.value, strip.interval) == (25.0, (12.5, 25.0))
    assert strip_of(a_score(value=None, reason="none", ci95=None)) is None


def test_a_differences_strip_has_0_in_its_middle():
    strip = difference_strip(-2.0, (-4.0, 0.0))
    assert dict(strip.marks) == {"no difference": 50.0}
    assert strip.interval[0] + strip.interval[1] == pytest.approx(50.0)
    assert strip.value == pytest.approx(50 - 50 * 2 / 4.4, abs=0.01)
    assert difference_strip(0.0, (0.0, 0.0)).value == 50.0


def test_the_command_on_the_page_asks_for_the_same_run():
    made = shlex.split(commands(a_result([a_score()], model="my (lab)"))[0])
    assert made[:2] == ["codixr-bench", "run"]
    given = dict(zip(made[2::2], made[3::2], strict=True))
    assert given == {
        "--task": "L+T->F",
        "--model": "my (lab)",
        "--track": "phantom",
        "--split": "test",
        "--limit": "2000",
        "--seed": "7",
    }
    others = shlex.split(commands(a_result([a_score()], generation={}))[0])
    assert others[:4] == ["codixr-bench", "score", "--samples", "DIR"]
