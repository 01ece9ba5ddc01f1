from hypothesis import given
from hypothesis import strategies as st

from codixr_bench.runs.seeds import study_seed
from codixr_bench.task import PAPER_TASKS, Task


def test_a_seed_is_fixed_for_ever() -> None:
    # Golden: a change here changes every sample ever made.
    assert study_seed("phantom-0-00008500", Task.parse("L+T->F"), 0) == GOLDEN


GOLDEN = 8940436096669097916


@given(st.text(), st.sampled_from(PAPER_TASKS), st.integers(0, 2**63 - 1))
def test_a_seed_has_63_bits(study_id: str, task: Task, run_seed: int) -> None:
    assert 0 <= study_seed(study_id, task, run_seed) < 2**63


def test_study_task_and_run_seed_each_change_the_seed() -> None:
    seeds = {
        study_seed(study_id, task, run_seed)
        for study_id in ("a", "b", "a1")
        for task in PAPER_TASKS
        for run_seed in (0, 1, 10)
    }
    assert len(seeds) == 3 * len(PAPER_TASKS) * 3
