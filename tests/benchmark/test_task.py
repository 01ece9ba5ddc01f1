import pytest
from hypothesis import given
from hypothesis import strategies as st

from codixr.errors import InputError
from codixr.modality import Modality
from codixr_bench.task import GROUPS, JOINT_TASKS, PAPER_TASKS, Task, parse_tasks


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    inputs = draw(st.sets(st.sampled_from(Modality), min_size=1, max_size=2))
    rest = sorted(set(Modality) - inputs)
    outputs = draw(st.sets(st.sampled_from(rest), min_size=1))
    return Task.of(inputs, outputs)


@given(task=tasks())
def test_a_name_parses_to_the_task_it_came_from(task):
    assert Task.parse(task.name) == task
    assert Task.parse(task.folder) == task
    assert parse_tasks(str(task)) == (task,)


@given(task=tasks(), data=st.data())
def test_spelling_does_not_matter(task, data):
    def side(modalities):
        letters = data.draw(st.permutations(modalities))
        spelled = [data.draw(st.sampled_from(_spellings(m))) for m in letters]
        return data.draw(st.sampled_from(["+", " + "])).join(spelled)

    arrow = data.draw(st.sampled_from(["->", "→", "-to-", "-TO-", " -> "]))
    assert Task.parse(side(task.inputs) + arrow + side(task.outputs)) == task


def _spellings(modality: Modality) -> list[str]:
    return [modality, modality.lower(), *(["R", "r"] if modality is Modality.T else [])]


@given(text=st.text(alphabet="FLTRflt+->→ to?", max_size=12))
def test_any_text_is_a_task_or_an_input_error(text):
    try:
        task = Task.parse(text)
    except InputError:
        return
    assert not set(task.inputs) & set(task.outputs)
    assert task.inputs
    assert task.outputs


def test_modalities_are_ordered_in_the_canonical_name():
    assert Task.parse("T+L→F").name == "L+T->F"
    assert Task.parse("T->L+F").folder == "T-to-F+L"


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("L+T-", r"quote it: --task 'L\+T->F'"),
        ("T->T", "generate T from T itself"),
        ("F+T->T", "inputs and outputs must differ"),
        ("->F", "has no input"),
        ("F->", "has no output"),
        ("F+F->T", "twice"),
        ("F->X", "'X' is not a modality"),
        ("F", "not of the form"),
        ("F->L->T", "not of the form"),
        ("", "not of the form"),
        ("papers", "groups: paper, joint, all"),
    ],
)
def test_a_bad_task_is_refused_with_the_cure(text, cure):
    with pytest.raises(InputError, match=cure):
        parse_tasks(text)


def test_the_groups_are_the_papers():
    assert [task.name for task in PAPER_TASKS] == [
        *("T->F", "L->F", "L+T->F"),
        *("T->L", "F->L", "F+T->L"),
        *("F->T", "L->T", "F+L->T"),
    ]
    assert [task.name for task in JOINT_TASKS] == ["T->F+L", "F->L+T", "L->F+T"]
    assert parse_tasks(" Paper ") == PAPER_TASKS
    assert len(set(GROUPS["all"])) == 12
