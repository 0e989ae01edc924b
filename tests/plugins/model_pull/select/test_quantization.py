import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostel.plugins.model_pull import (
    GGLIB_PREFERENCE,
    PREFERENCE,
    InvalidQuantization,
    QuantOption,
    choose,
    quant_options,
)
from hostel.plugins.model_pull._select.gguf_names import group_models
from hostel.plugins.model_pull._select.quantization import QUALITY, Reason

GIB = 2**30


def options_of(*labels: str, sizes: dict[str, int] | None = None) -> list[QuantOption]:
    paths = [f"m-{label}.gguf" for label in labels]
    given = {f"m-{label}.gguf": size for label, size in (sizes or {}).items()}
    return quant_options(group_models(paths), dict.fromkeys(paths, GIB) | given)


def test_a_wish_is_met_in_any_case() -> None:
    choice = choose("o/m", options_of("Q4_K_M", "Q8_0"), wanted="q8_0")

    assert (choice.option.name, choice.reason) == ("Q8_0", Reason.ASKED)


def test_a_wish_is_never_met_by_another_quantization() -> None:
    with pytest.raises(InvalidQuantization) as caught:
        choose("o/m", options_of("Q4_K_M", "Q8_0", sizes={"Q8_0": 8 * GIB}), wanted="Q5_K_M")

    why = "there is no 'Q5_K_M', did you mean Q4_K_M?"
    assert str(caught.value) == f"o/m: {why} It has Q4_K_M (1.0 GiB), Q8_0 (8.0 GiB)."


def test_a_wish_without_ud_is_met_by_its_dynamic_form_and_says_so() -> None:
    choice = choose("o/m", options_of("UD-Q4_K_XL", "Q8_0"), wanted="Q4_K_XL")

    assert choice.option.name == "UD-Q4_K_XL"
    assert "the form of Q4_K_XL there is" in choice.why


def test_the_exact_form_wins_over_the_dynamic_one() -> None:
    assert choose("o/m", options_of("UD-Q6_K", "Q6_K"), wanted="Q6_K").option.name == "Q6_K"
    assert choose("o/m", options_of("UD-Q6_K", "Q6_K"), wanted="ud-q6_k").option.name == "UD-Q6_K"


def test_models_of_one_label_are_told_apart_by_their_names() -> None:
    options = quant_options(group_models(["stories15M-q4_0.gguf", "stories42M-q4_0.gguf"]), {})

    assert choose("o/m", options, wanted="stories42M-q4_0").option.paths == ("stories42M-q4_0.gguf",)
    with pytest.raises(InvalidQuantization, match=r"'Q4_0' names 2 models.*stories15M-q4_0"):
        choose("o/m", options, wanted="Q4_0")
    with pytest.raises(InvalidQuantization, match="which of the 2 models"):
        choose("o/m", options)


def test_the_only_one_is_taken_whatever_it_is() -> None:
    assert choose("o/m", options_of("IQ1_S"), preference=GGLIB_PREFERENCE).reason is Reason.ONLY
    assert choose("o/m", quant_options(group_models(["ggml-model.gguf"]), {})).option.name == "ggml-model"


def test_the_orders_differ_in_what_they_prefer() -> None:
    options = options_of("Q8_0", "Q5_K_M", "Q4_K_M", "UD-Q4_K_XL")

    assert choose("o/m", options).option.name == "Q4_K_M"
    assert choose("o/m", options, preference=GGLIB_PREFERENCE).option.name == "Q5_K_M"
    assert choose("o/m", options, preference=["q8_0"]).option.name == "Q8_0"


def test_full_precision_comes_last() -> None:
    assert choose("o/m", options_of("F16", "BF16", "IQ1_S")).option.name == "IQ1_S"


def test_no_hit_in_the_order_asks_the_user() -> None:
    with pytest.raises(InvalidQuantization, match="say which quantization"):
        choose("o/m", options_of("UD-Q4_K_XL", "IQ4_NL"), preference=GGLIB_PREFERENCE)


def test_incomplete_groups_are_listed_and_never_taken() -> None:
    groups = group_models(["m-Q4_K_M-00001-of-00002.gguf", "m-Q8_0.gguf"])
    options = quant_options(groups, {"m-Q8_0.gguf": GIB})

    assert choose("o/m", options).option.name == "Q8_0"
    with pytest.raises(InvalidQuantization, match=r"shard 2 of 2 is missing.*Q8_0 \(1\.0 GiB\)"):
        choose("o/m", options, wanted="Q4_K_M")


def test_raw_pieces_never_become_another_quantization_unasked() -> None:
    groups = group_models(["m.Q4_K_M.gguf.part1of2", "m.Q4_K_M.gguf.part2of2", "m.Q2_K.gguf"])
    options = quant_options(groups, {"m.Q2_K.gguf": GIB})

    with pytest.raises(InvalidQuantization) as caught:
        choose("o/m", options)
    pieces = "in raw pieces that must be joined by hand"
    why = f"Q4_K_M would be the first choice and is {pieces}: say which one you want"
    assert str(caught.value) == f"o/m: {why}. It has Q2_K (1.0 GiB), Q4_K_M ({pieces})."
    assert choose("o/m", options, wanted="Q2_K").option.name == "Q2_K"


def test_a_wish_beyond_the_budget_is_refused_with_both_numbers() -> None:
    options = options_of("Q8_0", sizes={"Q8_0": 8 * GIB})

    with pytest.raises(InvalidQuantization, match=r"Q8_0 takes 8\.0 GiB, and the budget is 7\.0 GiB"):
        choose("o/m", options, wanted="Q8_0", budget=7 * GIB)


def test_what_comes_along_counts_against_the_budget() -> None:
    options = options_of("Q4_K_M", "Q8_0", sizes={"Q4_K_M": 4 * GIB, "Q8_0": 8 * GIB})

    choice = choose("o/m", options, budget=8 * GIB, beside={"Q4_K_M": GIB, "Q8_0": GIB})

    assert choice.why == "Q4_K_M: the best that fits in 8.0 GiB with the 1.0 GiB that come along"


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ("Q8", "Q8_0"),
        ("mxfp4", "MXFP4_MOE"),
        ("q4km", "Q4_K_M"),
        ("m-Q8_0.gguf", "Q8_0"),
        ("m-q4_k_m", "Q4_K_M"),
    ],
)
def test_a_wish_that_can_mean_one_thing_only_is_met(wanted: str, meant: str) -> None:
    assert choose("o/m", options_of("Q4_K_M", "Q8_0", "MXFP4_MOE"), wanted=wanted).option.name == meant


@pytest.mark.parametrize(
    ("wanted", "question"),
    [
        ("Q4", "'Q4' names 2 quantizations, did you mean Q4_K_M or Q4_K_S?"),
        ("Q6_K", "there is no 'Q6_K', did you mean Q8_0?"),
        ("Q8_X", "there is no 'Q8_X', did you mean Q8_0?"),
    ],
)
def test_a_wish_that_cannot_be_met_is_answered_by_a_question(wanted: str, question: str) -> None:
    with pytest.raises(InvalidQuantization) as caught:
        choose("o/m", options_of("Q4_K_M", "Q4_K_S", "Q8_0"), wanted=wanted)
    assert question in str(caught.value)


def test_raw_pieces_are_refused_by_name() -> None:
    options = quant_options(group_models(["m.Q6_K.gguf.part1of2", "m.Q6_K.gguf.part2of2"]), {})

    with pytest.raises(InvalidQuantization, match="joined by hand"):
        choose("o/m", options, wanted="Q6_K")


def test_a_budget_buys_the_best_that_fits() -> None:
    options = options_of(
        "Q4_K_M", "Q6_K", "Q8_0", sizes={"Q4_K_M": 4 * GIB, "Q6_K": 6 * GIB, "Q8_0": 8 * GIB}
    )

    choice = choose("o/m", options, budget=7 * GIB)

    assert (choice.option.name, choice.reason) == ("Q6_K", Reason.FITS)
    assert "7.0 GiB" in choice.why
    with pytest.raises(InvalidQuantization, match=r"nothing fits in 1\.0 GiB"):
        choose("o/m", options, budget=GIB)


def test_a_plugin_may_choose_among_what_there_is() -> None:
    options = options_of("Q4_K_M", "Q8_0")

    assert choose("o/m", options, advice="Q8_0").reason is Reason.PLUGIN
    with pytest.raises(InvalidQuantization, match="a plugin chose 'Q2_K'"):
        choose("o/m", options, advice="Q2_K")


def test_a_repository_without_models_says_so() -> None:
    with pytest.raises(InvalidQuantization, match="no GGUF model"):
        choose("o/m", [], wanted="Q8_0")


SOME = st.lists(st.sampled_from(PREFERENCE), min_size=1, unique=True)


@given(SOME)
def test_the_default_order_always_finds_one_and_no_earlier_label_is_left(labels: list[str]) -> None:
    chosen = choose("o/m", options_of(*labels)).option.name

    assert PREFERENCE.index(chosen) == min(map(PREFERENCE.index, labels))


@given(labels=SOME, data=st.data())
def test_a_budget_is_never_exceeded_and_never_wasted(labels: list[str], data: st.DataObject) -> None:
    sizes = {label: data.draw(st.integers(1, 100)) for label in labels}
    budget = data.draw(st.integers(min(sizes.values()), 100))

    chosen = choose("o/m", options_of(*labels, sizes=sizes), budget=budget).option

    assert chosen.size is not None
    assert chosen.size <= budget
    better = [label for label in labels if QUALITY.index(label) < QUALITY.index(chosen.name)]
    assert all(sizes[label] > budget for label in better)
