"""Which quantization of a model is pulled.

One that is asked for is met exactly, by the same label with or without ``UD-``, by a file's name, or by its
family if that has one member (``Q8``); else it fails, says what was meant perhaps and lists what there is.
If none is asked for: a plugin's answer, else the best that fits the budget, else the only one, else the first
hit in the order of preference. Incomplete and raw groups are listed and never taken; where raw pieces would
have been the first choice the user is asked, and does not get another one unawares. The answer says why.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import PurePosixPath

import attrs

from hostel.runtime.text import size_text

from .._errors import InvalidQuantization
from .gguf_names import GgufGroup, canonical_label
from .nearest import did_you_mean, is_exact, meant, suggested


def _order(*tiers: str) -> tuple[str, ...]:
    return tuple(label for tier in tiers for label in tier.split())


PREFERENCE = _order(
    "Q4_K_M UD-Q4_K_XL UD-Q4_K_M Q4_K_L Q4_K_XL MXFP4_MOE MXFP4 Q4_K_S UD-Q4_K_S IQ4_NL UD-IQ4_NL",
    "IQ4_XS UD-IQ4_XS Q4_0 UD-Q4_0 NVFP4 Q4_K Q4_1 Q4",
    "Q5_K_M UD-Q5_K_XL UD-Q5_K_M Q5_K_L Q5_K_XL Q5_K_S UD-Q5_K_S Q5_K Q5_1 Q5_0 Q5",
    "Q6_K UD-Q6_K_XL UD-Q6_K Q6_K_L Q6_K_XL Q6",
    "Q8_0 UD-Q8_K_XL UD-Q8_0 Q8_K_XL Q8",
    "Q3_K_L Q3_K_XL UD-Q3_K_XL Q3_K_M UD-Q3_K_M IQ3_M Q3_K_S UD-Q3_K_S IQ3_S UD-IQ3_S IQ3_XS",
    "IQ3_XXS UD-IQ3_XXS Q3_K",
    "Q2_K_L Q2_K_XL UD-Q2_K_XL Q2_K UD-Q2_K Q2_K_S IQ2_M UD-IQ2_M IQ2_S IQ2_XS IQ2_XXS UD-IQ2_XXS Q2_0",
    "TQ2_0 TQ1_0 UD-TQ1_0 IQ1_M UD-IQ1_M IQ1_S UD-IQ1_S Q1_0",
    "BF16 F16 F32",
)
"""The order of preference: four bits first, then more, then fewer, full precision last."""

GGLIB_PREFERENCE = _order("Q5_K_M Q4_K_M Q5_K_S Q4_K_S Q6_K Q8_0")
"""The order of gglib, which leaves everything else to its user."""

QUALITY = _order(
    "BF16 F16 F32 UD-Q8_K_XL Q8_K_XL Q8_0 UD-Q8_0 Q8",
    "UD-Q6_K_XL Q6_K_XL Q6_K_L Q6_K UD-Q6_K Q6",
    "UD-Q5_K_XL Q5_K_XL Q5_K_L Q5_K_M UD-Q5_K_M Q5_K Q5_K_S UD-Q5_K_S Q5_1 Q5_0 Q5",
    "UD-Q4_K_XL Q4_K_XL Q4_K_L Q4_K_M UD-Q4_K_M Q4_K MXFP4_MOE MXFP4 Q4_K_S UD-Q4_K_S IQ4_NL UD-IQ4_NL",
    "IQ4_XS UD-IQ4_XS NVFP4 Q4_1 Q4_0 UD-Q4_0 Q4",
    "UD-Q3_K_XL Q3_K_XL Q3_K_L Q3_K_M UD-Q3_K_M IQ3_M Q3_K IQ3_S UD-IQ3_S Q3_K_S UD-Q3_K_S IQ3_XS",
    "IQ3_XXS UD-IQ3_XXS",
    "UD-Q2_K_XL Q2_K_XL Q2_K_L Q2_K UD-Q2_K IQ2_M UD-IQ2_M Q2_K_S IQ2_S IQ2_XS IQ2_XXS UD-IQ2_XXS Q2_0 TQ2_0",
    "IQ1_M UD-IQ1_M TQ1_0 UD-TQ1_0 IQ1_S UD-IQ1_S Q1_0",
)
"""From best to least: what a budget is spent on."""

NOTHING: Mapping[str, int] = {}


class Reason(StrEnum):
    """Why an option was taken."""

    ASKED = "asked"
    PLUGIN = "plugin"
    ONLY = "only"
    FITS = "fits"
    PREFERRED = "preferred"


@attrs.frozen
class QuantOption:
    """One quantization that a repository offers."""

    name: str
    """Unique among the options: the label, or the file's name where the label is missing or shared."""
    label: str | None
    paths: tuple[str, ...]
    """Its files, in the order of the shards."""
    size: int | None
    """Bytes of all its files; None if one of them is unknown."""
    problem: str | None = None
    """Why it cannot be pulled; None if it can."""
    raw: bool = False
    """Whether it is in raw pieces that must be joined by hand."""

    def __str__(self) -> str:
        size = size_text(self.size) if self.size is not None else "size unknown"
        return f"{self.name} ({self.problem})" if self.problem else f"{self.name} ({size})"


@attrs.frozen
class Choice:
    """What was chosen, and why."""

    option: QuantOption
    reason: Reason
    why: str
    """One sentence for people."""


def quant_options(groups: Sequence[GgufGroup], sizes: Mapping[str, int | None]) -> list[QuantOption]:
    """Return the options that the groups of a repository amount to.

    :param sizes: bytes by path; None or absent if unknown
    """
    labels = Counter(group.label for group in groups)
    stems = Counter(PurePosixPath(group.stem).name for group in groups)
    return [_option(group, sizes, labels[group.label] > 1, stems) for group in groups]


def choose(
    model: str,
    options: Sequence[QuantOption],
    *,
    wanted: str | None = None,
    preference: Sequence[str] = PREFERENCE,
    budget: int | None = None,
    advice: str | None = None,
    beside: Mapping[str, int] = NOTHING,
) -> Choice:
    """Choose one option.

    :param model: named in errors
    :param wanted: what the user asked for, in any case
    :param preference: labels, most wanted first
    :param budget: bytes of memory or disk that the model may take; None sets no limit
    :param advice: the name that a plugin answered
    :param beside: bytes that come with an option and count against the budget, by its name
    :raises InvalidQuantization: if what is wanted is not there, nothing fits, or nothing is preferred
    """
    choice = _chosen(model, options, wanted, preference, budget, advice, beside)
    size = _total(choice.option, beside)
    if budget is not None and (size is None or size > budget):
        takes = f"takes {size_text(size)}" if size is not None else "is of unknown size"
        why = f"{choice.option.name} {takes}, and the budget is {size_text(budget)}"
        raise _invalid(model, wanted, why, options)
    return choice


def _chosen(
    model: str,
    options: Sequence[QuantOption],
    wanted: str | None,
    preference: Sequence[str],
    budget: int | None,
    advice: str | None,
    beside: Mapping[str, int],
) -> Choice:
    if wanted is not None:
        return _asked(model, options, wanted)
    whole = [option for option in options if option.problem is None]
    if advice is not None:
        found = next((option for option in whole if option.name == advice), None)
        if found is None:
            raise _invalid(model, advice, f"a plugin chose {advice!r}, which it does not offer", options)
        return Choice(found, Reason.PLUGIN, f"{found.name}: chosen by a plugin")
    if budget is not None:
        return _fitting(model, options, whole, budget, beside)
    return _preferred(model, options, whole, preference)


def _asked(model: str, options: Sequence[QuantOption], wanted: str) -> Choice:
    found = meant(options, wanted)
    if len(found) != 1:
        raise _invalid(model, wanted, _unclear(options, found, wanted), options)
    [option] = found
    if option.problem is not None:
        raise _invalid(model, wanted, f"{option.name} cannot be pulled, {option.problem}", options)
    why = "asked for" if is_exact(option, wanted) else f"the form of {wanted} there is"
    return Choice(option, Reason.ASKED, f"{option.name}: {why}")


def _unclear(options: Sequence[QuantOption], found: Sequence[QuantOption], wanted: str) -> str:
    if not found:
        return f"there is no {wanted!r}" + did_you_mean(suggested(options, wanted, QUALITY))
    if len({option.label for option in found}) == 1:
        return f"{wanted!r} names {len(found)} models"
    likeliest = sorted(found, key=lambda option: (_rank(PREFERENCE, option.label), option.name))
    return f"{wanted!r} names {len(found)} quantizations" + did_you_mean(option.name for option in likeliest)


def _fitting(
    model: str,
    options: Sequence[QuantOption],
    whole: list[QuantOption],
    budget: int,
    beside: Mapping[str, int],
) -> Choice:
    fits = [option for option in whole if (size := _total(option, beside)) is not None and size <= budget]
    if not fits:
        raise _invalid(model, None, f"nothing fits in {size_text(budget)}", options)
    best = min(fits, key=lambda option: (_rank(QUALITY, option.label), -(option.size or 0), option.name))
    more = beside.get(best.name, 0)
    along = f" with the {size_text(more)} that come along" if more else ""
    return Choice(best, Reason.FITS, f"{best.name}: the best that fits in {size_text(budget)}{along}")


def _preferred(
    model: str, options: Sequence[QuantOption], whole: list[QuantOption], preference: Sequence[str]
) -> Choice:
    order = [canonical_label(label) or label for label in preference]
    ranked = [option for option in whole if option.label in order]
    rank = min((_rank(order, option.label) for option in ranked), default=len(order))
    pieces = [option for option in options if option.raw and _rank(order, option.label) < rank]
    if pieces:
        first = min(pieces, key=lambda option: (_rank(order, option.label), option.name))
        why = f"{first.name} would be the first choice and is {first.problem}: say which one you want"
        raise _invalid(model, None, why, options)
    if len(whole) == 1:
        return Choice(whole[0], Reason.ONLY, f"{whole[0].name}: the only one there is{_broken(options)}")
    if not ranked:
        raise _invalid(model, None, "say which quantization you want", options)
    best = [option for option in ranked if _rank(order, option.label) == rank]
    # a repository of several models: only the user knows which
    if len(best) > 1:
        raise _invalid(model, None, f"say which of the {len(best)} models you want", options)
    why = f"{best[0].name}: first in the order of preference{_broken(options)}"
    return Choice(best[0], Reason.PREFERRED, why)


def _broken(options: Sequence[QuantOption]) -> str:
    lacking = [option.name for option in options if option.problem is not None and not option.raw]
    return f" ({', '.join(lacking)} is incomplete)" if lacking else ""


def _total(option: QuantOption, beside: Mapping[str, int]) -> int | None:
    return None if option.size is None else option.size + beside.get(option.name, 0)


def _invalid(model: str, wanted: str | None, why: str, options: Sequence[QuantOption]) -> InvalidQuantization:
    return InvalidQuantization(model, wanted, why, tuple(map(str, options)))


def _rank(order: Sequence[str], label: str | None) -> int:
    return order.index(label) if label in order else len(order)


def _option(
    group: GgufGroup, sizes: Mapping[str, int | None], shared: bool, stems: Counter[str]
) -> QuantOption:
    stem = PurePosixPath(group.stem).name
    name = group.label if group.label and not shared else stem if stems[stem] == 1 else group.stem
    known = [size for path in group.paths if (size := sizes.get(path)) is not None]
    size = sum(known) if len(known) == len(group.paths) else None
    return QuantOption(name, group.label, group.paths, size, _problem(group), group.raw)


def _problem(group: GgufGroup) -> str | None:
    if group.raw:
        return "in raw pieces that must be joined by hand"
    if not group.missing:
        return None
    shown = ", ".join(map(str, group.missing[:5])) + (", ..." if len(group.missing) > 5 else "")
    return f"incomplete: shard {shown} of {group.count} is missing"
