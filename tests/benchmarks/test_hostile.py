from benchmarks.hostile import MEMORY, SECONDS, hostile, measure, over


def test_no_file_takes_much_memory_or_breaks_it() -> None:
    took = {name: measure(data)[1] for name, data in hostile()}
    assert len(took) > 100
    assert {name: memory for name, memory in took.items() if memory > MEMORY} == {}


def test_what_takes_too_much_is_told() -> None:
    fine, slow, large = (SECONDS / 2, 1), (SECONDS * 2, 1), (0.0, MEMORY + 1)
    assert over({"fine": fine, "slow": slow, "large": large}) == ["slow", "large"]
