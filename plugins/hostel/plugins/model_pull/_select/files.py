"""Which files of a repository one pull takes.

First the format of the weights (`formats`); of GGUF then one quantization (`quantization`): its shards and
what belongs to them, which is its companions (`companions`) and the small files that name its tokens and
settings. `include` without a format or a quantization takes exactly what matches; `exclude` always leaves
out. Patterns are those of the shell and of huggingface_hub. Every set of shards is taken whole or not at all,
and what was left out or taken along is told in notices.
"""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import PurePosixPath

import attrs

from hostel.runtime.text import size_text

from .._errors import InvalidFormat, InvalidQuantization, NotFound
from .._sources.remote_file import RemoteFile
from .companions import Companions, companions_of
from .formats import QUANTIZED, Format, Offered, format_of, formats_in, offered_in, preferred
from .gguf_names import STANDING_IN, GgufGroup, Role, group_models, parse_name
from .quantization import PREFERENCE, Choice, QuantOption, choose, quant_options
from .safe_paths import check_paths

_SETTINGS = re.compile(
    r"(generation_|tokenizer_|preprocessor_|processor_|video_preprocessor_)?config\.json"
    r"|tokenizer\.(json|model)|special_tokens_map\.json|added_tokens\.json|vocab\.(json|txt)|merges\.txt"
    r"|chat_template\.(json|jinja)|params|template|system|LICENSE(\.\w+)?",
    re.IGNORECASE,
)
# layers that predict more tokens are either in the model or a small file of their own
_HEAD = re.compile(r"(?:^|[-._])(mtp|nextn|assistant)(?:$|[-._])", re.IGNORECASE)


@attrs.frozen
class Selection:
    """What one pull takes."""

    files: tuple[RemoteFile, ...]
    choice: Choice | None
    """Which quantization and why; None where there is none to choose."""
    main: str | None
    """The path that a program loads; None if that is the folder."""
    format: Format | None = None
    """The format of the weights; None where none was chosen or known."""
    notices: tuple[str, ...] = ()
    """What the user may want to know of the choice, a sentence each."""


@attrs.frozen
class Offer:
    """What a repository offers in the format that is taken."""

    model: str
    format: Format | None
    files: tuple[RemoteFile, ...]
    """All of that format, and what belongs to none."""
    options: tuple[QuantOption, ...]
    """The quantizations; empty where there is none to choose."""
    companions: Companions
    notices: tuple[str, ...] = ()

    def whole(self, budget: int | None = None) -> Selection:
        """Return all the files.

        :raises NotFound: if there are none
        :raises InvalidFormat: if they take more than the budget
        """
        return attrs.evolve(whole(self.model, self.files, budget), format=self.format, notices=self.notices)

    def taking(
        self,
        wanted: str | None = None,
        *,
        preference: Sequence[str] = PREFERENCE,
        budget: int | None = None,
        advice: str | None = None,
    ) -> Selection:
        """Return the files of one quantization and what comes with it; the arguments are those of `choose`.

        :raises InvalidQuantization: if the choice is not clear or does not fit
        """
        self._refuse_sidecar(wanted)
        for sighted in (True, False):
            beside = {option.name: self._beside(option, sighted=sighted) for option in self.options}
            try:
                choice = choose(
                    self.model,
                    self.options,
                    wanted=wanted,
                    preference=preference,
                    budget=budget,
                    advice=advice,
                    beside=beside,
                )
            except InvalidQuantization:
                # a model is of use without its projector, if that is what does not fit
                if budget is None or not (sighted and self.companions.projectors):
                    raise
            else:
                return self._selected(choice, budget)
        raise AssertionError("the second round returns or raises")

    def _selected(self, choice: Choice, budget: int | None) -> Selection:
        paths, notices = choice.option.paths, list(self.notices)
        by_path = {file.path: file for file in self.files}
        room = None
        if budget is not None:
            room = budget - (choice.option.size or 0) - self._beside(choice.option, sighted=False)
        wanted = [by_path[path] for path in paths]
        if projector := self.companions.projector(paths[0], room):
            wanted.append(projector)
        elif ideal := self.companions.projector(paths[0]):
            notices.append(
                f"{ideal.path} ({_size(ideal)}) does not fit and is left out: no images, no sound."
            )
        for role, file in self.companions.beside(paths[0]):
            wanted.append(file)
            notices.append(f"{file.path} ({_size(file)}) comes along: the model needs its {role}.")
        for role, several in self.companions.unclear(paths[0]):
            named = ", ".join(file.path for file in several)
            notices.append(f"No {role} is named after the model: {named}; --include takes the right one.")
        wanted += self._settings
        files = tuple(dict.fromkeys(wanted))
        return Selection(files, choice, paths[0], self.format, tuple(notices))

    @property
    def _settings(self) -> list[RemoteFile]:
        found = [file for file in self.files if _SETTINGS.fullmatch(PurePosixPath(file.path).name)]
        return sorted(found, key=lambda file: file.path)

    def _beside(self, option: QuantOption, *, sighted: bool) -> int:
        """Return the least bytes that come with an option."""
        needed = [file for _, file in self.companions.beside(option.paths[0])]
        known = sum(file.size or 0 for file in {*needed, *self._settings})
        sizes = [
            file.size
            for file in self.companions.projectors
            if sighted and file.size is not None and self.companions.projector(option.paths[0], file.size)
        ]
        return known + min(sizes, default=0)

    def _refuse_sidecar(self, wanted: str | None) -> None:
        names = [name for file in self.files if (name := parse_name(file.path))]
        for name in names:
            if wanted and PurePosixPath(name.path).name == wanted and name.role is not Role.MODEL:
                if any(name.path in option.paths for option in self.options):
                    return
                why = f"{wanted} is a {name.role} and no model: --include {wanted} pulls it by itself"
                raise InvalidQuantization(self.model, wanted, why, tuple(map(str, self.options)))


def filtered(
    files: Sequence[RemoteFile], include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> list[RemoteFile]:
    """Return the files that match a pattern of `include` (if there is one) and none of `exclude`.

    :raises UnsafePath: if one of them could not be written safely
    """
    found = [
        file for file in files if (not include or _matches(file, include)) and not _matches(file, exclude)
    ]
    check_paths(file.path for file in found)
    return found


def offered(
    model: str,
    files: Sequence[RemoteFile],
    format: Format | None = None,
    *,
    quantized: bool = False,
    budgeted: bool = False,
) -> Offer:
    """Return what there is to take, in one format.

    :param format: what the user asked for; None leaves it to the name and the order of preference
    :param quantized: a quantization was asked for, which only GGUF has
    :param budgeted: there is a budget, which GGUF may fit best
    :raises InvalidFormat: if it is not there in that format, or a shard is missing
    :raises InvalidQuantization: if there is nothing to choose among
    """
    files = sorted(files, key=lambda file: file.path)
    paths = [file.path for file in files]
    there = formats_in(paths)
    taken = _taken(model, files, there, format, quantized=quantized, budgeted=budgeted)
    offer = offered_in(taken, paths)
    if offer.missing:
        why = f"shard {offer.missing[0]} is missing; leave it out with --exclude, or take another format"
        raise InvalidFormat(model, format, why, _formats_text(files, there))
    kept = set(offer.paths)
    ours = tuple(file for file in files if file.path in kept)
    options = options_of(ours) if taken in QUANTIZED else []
    # a vae may be in another format than the model
    models = [path for option in options for path in option.paths]
    companions = companions_of(files, models) if taken in QUANTIZED else Companions((), ())
    beyond = tuple(file for _, some in companions.needed for file in some if file.path not in kept)
    notices = tuple(_notices(offer, asked=format is not None or quantized or budgeted))
    return Offer(model, taken, (*ours, *beyond), tuple(options), companions, notices)


def options_of(files: Sequence[RemoteFile]) -> list[QuantOption]:
    """Return the quantizations among the files."""
    sizes = {file.path: file.size for file in files}
    groups = group_models(sizes)
    for role in STANDING_IN:
        groups = groups or group_models(sizes, role)
    return quant_options(_without_heads(groups, sizes), sizes)


def whole(model: str, files: Sequence[RemoteFile], budget: int | None = None) -> Selection:
    """Return all the files.

    :raises NotFound: if there are none
    :raises InvalidFormat: if they take more than the budget
    """
    if not files:
        raise NotFound(f"A file to pull in {model}")
    if budget is not None:
        size = _total(files)
        if size is None or size > budget:
            takes = "are of unknown size" if size is None else f"take {size_text(size)}"
            why = f"the files {takes}, and the budget is {size_text(budget)}"
            raise InvalidFormat(model, None, why, _formats_text(files, formats_in(f.path for f in files)))
    return Selection(tuple(files), None, files[0].path if len(files) == 1 else None)


def _matches(file: RemoteFile, patterns: Sequence[str]) -> bool:
    return any(
        fnmatch(file.path, pattern + "*" if pattern.endswith("/") else pattern) for pattern in patterns
    )


def _taken(
    model: str,
    files: Sequence[RemoteFile],
    there: Sequence[Format],
    wanted: Format | None,
    *,
    quantized: bool,
    budgeted: bool,
) -> Format | None:
    if wanted is not None and wanted not in there:
        raise InvalidFormat(model, wanted, f"it is not there as {wanted}", _formats_text(files, there))
    found = [format for format in QUANTIZED if format in there and wanted in (None, format)]
    if quantized and not found:
        why = "quantizations are chosen among GGUF files, and there are none to take"
        raise InvalidQuantization(model, None, why, _formats_text(files, there))
    if wanted is None and found and (quantized or budgeted):
        return found[0]
    return wanted or preferred(model, there)


def _without_heads(groups: list[GgufGroup], sizes: dict[str, int | None]) -> list[GgufGroup]:
    """Leave out what is named after such layers and smaller than half of the smallest model."""

    def size(group: GgufGroup) -> int:
        return sum(sizes[path] or 0 for path in group.paths)

    heads = [group for group in groups if _HEAD.search(PurePosixPath(group.stem).name)]
    models = [group for group in groups if group not in heads]
    least = min(map(size, models), default=0)
    return [group for group in groups if group not in heads or size(group) * 2 >= least]


def _notices(offer: Offered, *, asked: bool) -> Iterable[str]:
    if offer.others and not asked:
        others = " and ".join(filter(None, [", ".join(offer.others[:-1]), offer.others[-1]]))
        yield f"It is there as {others} too; {offer.format} is taken, --format takes another."
    if checkpoints := [path for path, why in offer.left_out if why == "checkpoint"]:
        yield f"Left out beside the parts of the model: {', '.join(checkpoints)}; --include takes them."
    if precisions := sorted({why for _, why in offer.left_out} - {"checkpoint"}):
        yield f"Left out at other precisions: {', '.join(precisions)}; --include takes them."


def _formats_text(files: Sequence[RemoteFile], there: Sequence[Format]) -> tuple[str, ...]:
    def text(format: Format) -> str:
        size = _total([file for file in files if format_of(file.path) is format])
        return f"{format} ({size_text(size) if size is not None else 'size unknown'})"

    return tuple(map(text, there)) or ("no weights",)


def _total(files: Iterable[RemoteFile]) -> int | None:
    sizes = [file.size for file in files]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _size(file: RemoteFile) -> str:
    return size_text(file.size) if file.size is not None else "size unknown"
