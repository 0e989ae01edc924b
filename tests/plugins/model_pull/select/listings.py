"""Listings of real repositories and what is to be pulled of them: the table of docs/choice.md.

One entry each: the repository, its files, what is asked, what is taken, and why. Names follow public
listings, which change; many that are alike are left out. Sizes are rounded and matter only with a budget.
Files are divided by `; `; `{a 5G, b}` stands for each of these with its size, `#3` for the three shards of
a set, of that size together. Small files without a size are left out of what is taken: they come along.
"""

import re
import sys
from collections.abc import Iterator

import attrs

from hostel.plugins.model_pull import RemoteFile
from hostel.runtime.text import parse_size

SMALL = 1000
REFUSED = "refused: "


@attrs.frozen
class Entry:
    """One row of the table."""

    repo: str
    holds: str
    asked: str
    taken: str
    why: str


def listing(holds: str) -> list[RemoteFile]:
    """Return the files that the text stands for."""
    return [
        RemoteFile(path, size, None, f"https://h/{number}")
        for number, (path, size) in enumerate(named(holds))
    ]


def named(holds: str) -> Iterator[tuple[str, int]]:
    """Give the name and the size of each file that the text stands for."""
    for text in holds.split("; "):
        braces = re.fullmatch(r"(.*?)\{(.*)\}(\S*)(?: (\S+))?", text)
        if braces is None:
            yield from _sized(text)
            continue
        before, inside, after, size = braces.groups()
        for part in inside.split(", "):
            name, _, own = part.partition(" ")
            yield from _sized(f"{before}{name}{after} {own or size or ''}".strip())


def rendered() -> str:
    """Return the table as docs/choice.md has to show it."""
    rows = ["| repository | what is in it | asked | taken | why |", "|---|---|---|---|---|"]
    for entry in LISTINGS:
        cells = (
            entry.repo,
            _spans(entry.holds),
            _spans(entry.asked),
            entry.taken if entry.taken.startswith(REFUSED) else _spans(entry.taken),
            entry.why,
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _spans(text: str) -> str:
    return "<br>".join(f"`{part}`" for part in text.split("; ")) if text else ""


def _sized(text: str) -> Iterator[tuple[str, int]]:
    name, _, amount = text.partition(" ")
    size = parse_size(amount) if amount else SMALL
    shards = re.search(r"#(\d+)", name)
    if shards is None:
        yield name, size
        return
    count = int(shards[1])
    for number in range(1, count + 1):
        yield name.replace(shards[0], f"{number:05}-of-{count:05}"), size // count


_QWEN3 = (
    "Qwen3-8B-{BF16 16.4G, IQ4_NL 4.8G, IQ4_XS 4.6G, Q2_K 3.3G, Q3_K_M 4.1G, Q4_0 4.8G, Q4_K_M 5G, "
    "Q4_K_S 4.8G, "
    "Q5_K_M 5.9G, Q6_K 6.7G, Q8_0 8.7G, UD-IQ1_S 2.3G, UD-Q2_K_XL 3.5G, UD-Q4_K_XL 5.1G, UD-Q6_K_XL 7.5G, "
    "UD-Q8_K_XL 10.8G}.gguf; config.json"
)
_VL = (
    "Qwen2.5-VL-7B-Instruct-{Q4_K_M 4.68G, Q8_0 8.1G, f16 15.2G}.gguf; "
    "mmproj-Qwen2.5-VL-7B-Instruct-{Q8_0 853M, f16 1.35G}.gguf"
)
_GPT2 = (
    "64{, -8bits, -fp16}.tflite; flax_model.msgpack 498M; model.safetensors 548M; onnx/config.json; "
    "onnx/decoder_{model, model_merged, with_past_model}.onnx 650M; pytorch_model.bin 548M; "
    "rust_model.ot 703M; "
    "tf_model.h5 498M; {config, tokenizer, vocab}.json; merges.txt"
)
_WHISPER = (
    "flax_model.msgpack 6.2G; model.fp32-#2.safetensors 6.2G; model.safetensors 3.1G; "
    "model.safetensors.index.fp32.json; pytorch_model.bin 3.1G; pytorch_model.fp32-#2.bin 6.2G; "
    "pytorch_model.bin.index.fp32.json; {config, tokenizer, vocab}.json"
)
_LLAMA31 = (
    "model-#4.safetensors 16.1G; model.safetensors.index.json; original/consolidated.00.pth 16.1G; "
    "original/params.json; original/tokenizer.model; config.json; tokenizer.json"
)
_MINILM = (
    "model.safetensors 91M; onnx/model{, _O1, _O2, _O3, _O4, _qint8_arm64, _qint8_avx512_vnni, "
    "_quint8_avx2}.onnx "
    "90M; openvino/openvino_model{, _qint8_quantized}.bin 90M; openvino/openvino_model{, "
    "_qint8_quantized}.xml; "
    "pytorch_model.bin 91M; rust_model.ot 91M; tf_model.h5 91M; 1_Pooling/config.json; modules.json; "
    "config.json"
)
_STABLELM = (
    "model.safetensors 3.3G; stablelm-2-zephyr-1_6b-{Q4_0 983M, Q4_1 1.1G, Q5_K_M 1.2G, Q8_0 1.8G}.gguf; "
    "config.json; tokenizer.json"
)
_GEMMA2B = "gemma-2b.gguf 10G; model-#2.safetensors 5G; model.safetensors.index.json; config.json"
_MISTRAL_LARGE = (
    "Mistral-Large-Instruct-2407.i1-{IQ1_S 26G, IQ2_M 41.6G, Q2_K 45.2G}.gguf; "
    "Mistral-Large-Instruct-2407.i1-Q4_K_M.gguf.{part1of2, part2of2} 36.6G; imatrix.dat"
)
_R1 = (
    "DeepSeek-R1-BF16/DeepSeek-R1.BF16-#30.gguf 1300G; DeepSeek-R1-Q4_K_M/DeepSeek-R1-Q4_K_M-#9.gguf 404G; "
    "DeepSeek-R1-Q8_0/DeepSeek-R1.Q8_0-#15.gguf 713G; "
    "DeepSeek-R1-UD-IQ1_S/DeepSeek-R1-UD-IQ1_S-#3.gguf 140G; "
    "DeepSeek-R1-UD-Q2_K_XL/DeepSeek-R1-UD-Q2_K_XL-#5.gguf 212G"
)
_DRAFT = "DeepSeek-R1-DRAFT-0.6B-{32k, 64k, 128k}-Q4_0.gguf 380M"
_WAN = (
    "HighNoise/Wan2.2-T2V-A14B-HighNoise-{Q2_K 5.3G, Q4_K_M 9.7G}.gguf; "
    "LowNoise/Wan2.2-T2V-A14B-LowNoise-{Q2_K 5.3G, Q4_K_M 9.7G}.gguf; VAE/Wan2.1_VAE.safetensors 254M"
)
_WHISPER_CPP = (
    "ggml-{tiny 78M, tiny.en 78M, tiny-q5_1 32M, base 148M, base.en 148M, base-q5_1 60M, small 488M, "
    "large-v3 3.1G, large-v3-turbo-q5_0 574M}.bin; ggml-base-encoder.mlmodelc.zip 38M"
)
_LLAMA1B = (
    "Llama-3.2-1B-Instruct-{f16 2.5G, IQ3_M 657M, IQ4_XS 743M, Q3_K_L 733M, Q3_K_XL 796M, Q4_0 773M, "
    "Q4_0_4_4 771M, Q4_K_L 872M, Q4_K_M 808M, Q4_K_S 776M, Q5_K_M 912M, Q6_K 1G, Q6_K_L 1.1G, Q8_0 "
    "1.3G}.gguf; "
    "Llama-3.2-1B-Instruct.imatrix"
)
_GEMMA12B = (
    "gemma-3-12b-it-{Q2_K 4.8G, Q4_K_M 7.3G, Q5_K_M 8.44G, Q6_K 9.7G, Q8_0 12.5G, UD-Q4_K_XL 7.43G, "
    "BF16 23.5G}.gguf; "
    "mmproj-{BF16 854M, F16 854M, F32 1.69G}.gguf"
)

LISTINGS = [
    # one quantization of a GGUF repository
    Entry(
        "bartowski/Llama-3.2-1B-Instruct-GGUF",
        _LLAMA1B,
        "",
        "Llama-3.2-1B-Instruct-Q4_K_M.gguf",
        "first in the order of preference; the importance matrix is for who quantizes",
    ),
    Entry(
        "bartowski/Llama-3.2-1B-Instruct-GGUF",
        _LLAMA1B,
        ":q4-k-s",
        "Llama-3.2-1B-Instruct-Q4_K_S.gguf",
        "the same label, written otherwise",
    ),
    Entry(
        "bartowski/Llama-3.2-1B-Instruct-GGUF",
        _LLAMA1B,
        ":Q4",
        "refused: 'Q4' names 5 quantizations, did you mean Q4_K_M, Q4_K_L or Q4_K_S?",
        "a family with several members is no answer",
    ),
    Entry(
        "bartowski/Llama-3.2-1B-Instruct-GGUF",
        _LLAMA1B,
        ":Q5_K_S",
        "refused: there is no 'Q5_K_S', did you mean Q5_K_M?",
        "never another quantization than the one that was named",
    ),
    Entry(
        "unsloth/Qwen3-8B-GGUF",
        _QWEN3,
        "",
        "Qwen3-8B-Q4_K_M.gguf",
        "first in the order of preference, before the dynamic UD-Q4_K_XL",
    ),
    Entry(
        "unsloth/Qwen3-8B-GGUF",
        _QWEN3,
        ":Q4_K_XL",
        "Qwen3-8B-UD-Q4_K_XL.gguf",
        "the dynamic form is the only XL there is",
    ),
    Entry(
        "unsloth/Qwen3-8B-GGUF",
        _QWEN3,
        ":Q8",
        "refused: 'Q8' names 2 quantizations, did you mean Q8_0 or UD-Q8_K_XL?",
        "8.7 or 10.8 GB: the user says which",
    ),
    Entry(
        "unsloth/Qwen3-8B-GGUF",
        _QWEN3,
        "--budget 8Gi",
        "Qwen3-8B-UD-Q6_K_XL.gguf",
        "the best that fits; Q8_0 is 0.1 GB too large",
    ),
    Entry(
        "unsloth/Qwen3-8B-GGUF",
        _QWEN3,
        ":Q8_0 --budget 8Gi",
        "refused: Q8_0 takes 8.1 GiB, and the budget is 8.0 GiB",
        "two wishes that contradict each other",
    ),
    Entry(
        "Qwen/Qwen3-8B-GGUF",
        "Qwen3-8B-{Q4_K_M 5G, Q5_0 5.7G, Q5_K_M 5.9G, Q6_K 6.7G, Q8_0 8.7G}.gguf; LICENSE; params",
        ":Q8",
        "Qwen3-8B-Q8_0.gguf",
        "the only Q8 there is",
    ),
    Entry(
        "Qwen/Qwen2.5-7B-Instruct-GGUF",
        "qwen2.5-7b-instruct-{fp16-#4 15.2G, q2_k 3G, q3_k_m 3.8G, q4_0-#2 4.4G, q4_k_m-#2 4.7G, "
        "q5_k_m-#2 5.4G, "
        "q6_k-#2 6.3G, q8_0-#3 8.1G}.gguf",
        "",
        "qwen2.5-7b-instruct-q4_k_m-#2.gguf",
        "a set of shards is taken whole",
    ),
    Entry(
        "Qwen/Qwen2.5-7B-Instruct-GGUF",
        "qwen2.5-7b-instruct-{fp16-#4 15.2G, q2_k 3G, q4_k_m-#2 4.7G, q8_0-#3 8.1G}.gguf",
        ":qwen2.5-7b-instruct-q8_0-00001-of-00003.gguf",
        "qwen2.5-7b-instruct-q8_0-#3.gguf",
        "who names one shard means the set",
    ),
    Entry(
        "microsoft/Phi-3-mini-4k-instruct-gguf",
        "Phi-3-mini-4k-instruct-{fp16 7.6G, q4 2.4G}.gguf; config.json",
        "",
        "Phi-3-mini-4k-instruct-q4.gguf",
        "q4 is one of the four-bit labels; full precision comes last",
    ),
    Entry(
        "TheBloke/Llama-2-7B-Chat-GGUF",
        "llama-2-7b-chat.{Q2_K 2.8G, Q3_K_M 3.3G, Q4_0 3.8G, Q4_K_M 4.1G, Q5_K_M 4.8G, "
        "Q8_0 7.2G}.gguf; config.json",
        "",
        "llama-2-7b-chat.Q4_K_M.gguf",
        "labels after a dot count as well",
    ),
    Entry(
        "unsloth/DeepSeek-R1-GGUF",
        _R1,
        "",
        "DeepSeek-R1-Q4_K_M/DeepSeek-R1-Q4_K_M-#9.gguf",
        "a folder for each quantization",
    ),
    Entry(
        "unsloth/DeepSeek-R1-GGUF",
        _R1,
        "--budget 200Gi",
        "DeepSeek-R1-UD-Q2_K_XL/DeepSeek-R1-UD-Q2_K_XL-#5.gguf",
        "the best set that fits, all shards counted",
    ),
    Entry(
        "unsloth/DeepSeek-R1-GGUF",
        _R1,
        "--budget 100Gi",
        "refused: nothing fits in 100.0 GiB",
        "the smallest takes 140 GB",
    ),
    Entry(
        "unsloth/DeepSeek-V3-0324-GGUF",
        "{Q8_0/DeepSeek-V3-0324-Q8_0-#15 713G, UD-IQ1_S/DeepSeek-V3-0324-UD-IQ1_S-#4 186G, "
        "UD-Q2_K_XL/DeepSeek-V3-0324-UD-Q2_K_XL-#6 248G}.gguf",
        ":UD-IQ1_S",
        "UD-IQ1_S/DeepSeek-V3-0324-UD-IQ1_S-#4.gguf",
        "asked for by its label",
    ),
    Entry(
        "bartowski/Meta-Llama-3.1-70B-Instruct-GGUF",
        "Meta-Llama-3.1-70B-Instruct-{IQ2_M 24G, Q3_K_M 34G, Q4_K_M 42.5G, Q5_K_M 50G}.gguf; "
        "Meta-Llama-3.1-70B-Instruct-Q8_0/Meta-Llama-3.1-70B-Instruct-Q8_0-#2.gguf 75G",
        ":q8_0",
        "Meta-Llama-3.1-70B-Instruct-Q8_0/Meta-Llama-3.1-70B-Instruct-Q8_0-#2.gguf",
        "labels are the same in any case",
    ),
    Entry(
        "ggml-org/models",
        "tinyllamas/stories{15M 19M, 260K 1M, 42M 33M}-q4_0.gguf; phi-2/ggml-model-q4_0.gguf 1.6G; "
        "bert-bge-small/ggml-model-f16.gguf 68M",
        "",
        "refused: say which of the 4 models you want",
        "several models: nobody but the user knows which",
    ),
    Entry(
        "ggml-org/models",
        "tinyllamas/stories{15M 19M, 260K 1M, 42M 33M}-q4_0.gguf; phi-2/ggml-model-q4_0.gguf 1.6G",
        ":stories42M-q4_0.gguf",
        "tinyllamas/stories42M-q4_0.gguf",
        "asked for by its file",
    ),
    # raw pieces
    Entry(
        "TheBloke/Llama-2-70B-Chat-GGUF",
        "llama-2-70b-chat.{Q2_K 29G, Q4_K_M 41G, Q5_K_M 49G}.gguf; "
        "llama-2-70b-chat.Q6_K.gguf-split-{a 37G, b 20G}",
        "",
        "llama-2-70b-chat.Q4_K_M.gguf",
        "what is in raw pieces is not the first choice here",
    ),
    Entry(
        "TheBloke/Llama-2-70B-Chat-GGUF",
        "llama-2-70b-chat.{Q2_K 29G, Q4_K_M 41G, Q5_K_M 49G}.gguf; "
        "llama-2-70b-chat.Q6_K.gguf-split-{a 37G, b 20G}",
        ":Q6_K",
        "refused: Q6_K cannot be pulled, in raw pieces that must be joined by hand",
        "no program loads the pieces",
    ),
    Entry(
        "TheBloke/Falcon-180B-Chat-GGUF",
        "falcon-180b-chat.Q2_K.gguf-split-{a 37G, b 37G}; falcon-180b-chat.Q4_K_M.gguf-split-{a, b, c} 36G",
        "",
        "refused: Q4_K_M would be the first choice and is in raw pieces that must be joined by hand",
        "all of it is in pieces",
    ),
    Entry(
        "mradermacher/Mistral-Large-Instruct-2407-i1-GGUF",
        _MISTRAL_LARGE,
        "",
        "refused: Q4_K_M would be the first choice and is in raw pieces that must be joined by hand",
        "Q2_K instead, unasked, would be a surprise of half the quality",
    ),
    Entry(
        "mradermacher/Mistral-Large-Instruct-2407-i1-GGUF",
        _MISTRAL_LARGE,
        ":Q2_K",
        "Mistral-Large-Instruct-2407.i1-Q2_K.gguf",
        "asked for, and whole",
    ),
    Entry(
        "mradermacher/Mistral-Large-Instruct-2407-i1-GGUF",
        _MISTRAL_LARGE,
        "--budget 48Gi",
        "Mistral-Large-Instruct-2407.i1-Q2_K.gguf",
        "the best that fits; the pieces would not",
    ),
    # draft heads
    Entry(
        "ggml-org/gpt-oss-20b-GGUF",
        "gpt-oss-20b-mxfp4.gguf 12.1G",
        "",
        "gpt-oss-20b-mxfp4.gguf",
        "the only one there is",
    ),
    Entry(
        "ggml-org/gpt-oss-120b-GGUF",
        "gpt-oss-120b-mxfp4-#3.gguf 63.4G; eagle3-gpt-oss-120b-{BF16 1.6G, Q8_0 849M}.gguf",
        "",
        "gpt-oss-120b-mxfp4-#3.gguf",
        "the eagle3 files are draft heads and cannot run alone",
    ),
    Entry(
        "ggml-org/gpt-oss-120b-GGUF",
        "gpt-oss-120b-mxfp4-#3.gguf 63.4G; eagle3-gpt-oss-120b-{BF16 1.6G, Q8_0 849M}.gguf",
        ":eagle3-gpt-oss-120b-Q8_0.gguf",
        "refused: eagle3-gpt-oss-120b-Q8_0.gguf is a draft head and no model",
        "a head is pulled by --include, not for the model",
    ),
    Entry(
        "unsloth/gpt-oss-20b-GGUF",
        "gpt-oss-20b-{F16 13.8G, Q2_K 11.5G, Q4_K_M 11.6G, Q8_0 12.1G, UD-Q4_K_XL 11.9G}.gguf",
        ":mxfp4",
        "refused: there is no 'mxfp4', did you mean Q4_K_M?",
        "this repository names its MXFP4 weights otherwise",
    ),
    Entry(
        "noctrex/gemma-4-26B-A4B-it-MXFP4_MOE-GGUF",
        "gemma-4-26B-A4B-it-MXFP4_MOE.gguf 14.3G",
        ":mxfp4",
        "gemma-4-26B-A4B-it-MXFP4_MOE.gguf",
        "MXFP4_MOE is the mxfp4 of a mixture of experts",
    ),
    Entry(
        "unsloth/gemma-4-12B-it-qat-GGUF",
        "gemma-4-12B-it-qat-UD-Q4_K_XL.gguf 7G; mtp-gemma-4-12B-it.gguf 450M; mmproj-{BF16 170M, "
        "F16 170M, F32 330M}.gguf",
        "",
        "gemma-4-12B-it-qat-UD-Q4_K_XL.gguf; mmproj-F16.gguf",
        "mtp- is a draft head; the projector comes along, F16 first",
    ),
    Entry(
        "the repository of huggingface.js#2400",
        "Ornith-1.5-9B-MTP-{IQ2_M 3.5G, Q4_K_M 5.8G}.gguf; mmproj-Ornith-1.5-9B-BF16.gguf 921M",
        "",
        "Ornith-1.5-9B-MTP-Q4_K_M.gguf; mmproj-Ornith-1.5-9B-BF16.gguf",
        "MTP inside a name is a model that has such layers",
    ),
    Entry(
        "jukofyork/DeepSeek-R1-DRAFT-0.6B-v2.0-GGUF",
        _DRAFT,
        "",
        "refused: say which of the 3 models you want",
        "a repository of drafts alone offers them as models; these differ in context length",
    ),
    Entry(
        "jukofyork/DeepSeek-R1-DRAFT-0.6B-v2.0-GGUF",
        _DRAFT,
        ":DeepSeek-R1-DRAFT-0.6B-64k-Q4_0",
        "DeepSeek-R1-DRAFT-0.6B-64k-Q4_0.gguf",
        "asked for by name",
    ),
    # projectors
    Entry(
        "ggml-org/gemma-3-4b-it-GGUF",
        "gemma-3-4b-it-{Q4_K_M 2.5G, Q8_0 4.1G, f16 7.8G}.gguf; mmproj-model-f16.gguf 851M",
        "",
        "gemma-3-4b-it-Q4_K_M.gguf; mmproj-model-f16.gguf",
        "the only projector there is",
    ),
    Entry(
        "unsloth/gemma-3-12b-it-GGUF",
        _GEMMA12B,
        "--budget 8Gi",
        "gemma-3-12b-it-UD-Q4_K_XL.gguf; mmproj-F16.gguf",
        "Q5_K_M would fit alone and not with its projector",
    ),
    Entry(
        "ggml-org/Qwen2.5-VL-7B-Instruct-GGUF",
        _VL,
        "",
        "Qwen2.5-VL-7B-Instruct-Q4_K_M.gguf; mmproj-Qwen2.5-VL-7B-Instruct-f16.gguf",
        "projectors go by precision: F16, BF16, F32, Q8_0",
    ),
    Entry(
        "ggml-org/Qwen2.5-VL-7B-Instruct-GGUF",
        _VL,
        "--budget 5.6Gi",
        "Qwen2.5-VL-7B-Instruct-Q4_K_M.gguf; mmproj-Qwen2.5-VL-7B-Instruct-Q8_0.gguf",
        "the f16 projector does not fit, the Q8_0 one does",
    ),
    Entry(
        "ggml-org/Qwen2.5-VL-7B-Instruct-GGUF",
        _VL,
        "--budget 5Gi",
        "Qwen2.5-VL-7B-Instruct-Q4_K_M.gguf",
        "no projector fits beside any model; it is left out and said",
    ),
    Entry(
        "mradermacher/Qwen2.5-VL-7B-Instruct-GGUF",
        "Qwen2.5-VL-7B-Instruct.{Q2_K 3G, Q4_K_M 4.7G, Q8_0 8.1G, mmproj-Q8_0 853M, mmproj-f16 1.35G}.gguf",
        "",
        "Qwen2.5-VL-7B-Instruct.Q4_K_M.gguf; Qwen2.5-VL-7B-Instruct.mmproj-f16.gguf",
        "a projector whose name begins like the model is one all the same, and f16 goes first",
    ),
    Entry(
        "ggml-org/SmolVLM-500M-Instruct-GGUF",
        "{mmproj-SmolVLM-500M-Instruct-Q8_0 109M, mmproj-SmolVLM-500M-Instruct-f16 199M, "
        "SmolVLM-500M-Instruct-Q8_0 437M, SmolVLM-500M-Instruct-f16 820M}.gguf",
        "",
        "SmolVLM-500M-Instruct-Q8_0.gguf; mmproj-SmolVLM-500M-Instruct-f16.gguf",
        "the projector does not follow the label of the model",
    ),
    Entry(
        "mys/ggml_llava-v1.5-7b",
        "ggml-model-{f16 13.5G, q4_k 4.1G, q5_k 4.8G}.gguf; mmproj-model-f16.gguf 624M",
        "",
        "ggml-model-q4_k.gguf; mmproj-model-f16.gguf",
        "q4_k without a size is a four-bit label too",
    ),
    Entry(
        "lmstudio-community/Meta-Llama-3.1-8B-Instruct-GGUF",
        "Meta-Llama-3.1-8B-Instruct-{IQ4_XS 4.4G, Q3_K_L 4.3G, Q4_K_M 4.9G, Q6_K 6.6G, Q8_0 8.5G}.gguf",
        "--budget 4Gi",
        "refused: nothing fits in 4.0 GiB",
        "the smallest takes 4.3 GB",
    ),
    Entry(
        "nomic-ai/nomic-embed-text-v1.5-GGUF",
        "nomic-embed-text-v1.5.{Q2_K 49M, Q4_0 78M, Q4_K_M 84M, Q8_0 146M, f16 274M, f32 548M}.gguf",
        ":fp16",
        "nomic-embed-text-v1.5.f16.gguf",
        "two spellings of one type",
    ),
    Entry(
        "google/gemma-3-4b-it-qat-q4_0-gguf",
        "gemma-3-4b-it-q4_0.gguf 3.2G; mmproj-model-f16-4B.gguf 851M",
        "",
        "gemma-3-4b-it-q4_0.gguf; mmproj-model-f16-4B.gguf",
        "the only one, with the only projector",
    ),
    Entry(
        "cjpais/llava-1.6-mistral-7b-gguf",
        "llava-v1.6-mistral-7b.{Q3_K_M 3.5G, Q4_K_M 4.4G, Q5_K_M 5.1G, Q8_0 7.7G}.gguf; "
        "mmproj-model-f16.gguf 624M",
        ":Q5",
        "llava-v1.6-mistral-7b.Q5_K_M.gguf; mmproj-model-f16.gguf",
        "the only Q5 there is",
    ),
    Entry(
        "xtuner/llava-llama-3-8b-v1_1-gguf",
        "llava-llama-3-8b-v1_1-{f16 16.1G, int4 4.9G, mmproj-f16 624M}.gguf",
        "",
        "llava-llama-3-8b-v1_1-int4.gguf; llava-llama-3-8b-v1_1-mmproj-f16.gguf",
        "int4 is a four-bit label too",
    ),
    Entry(
        "ggml-org/ultravox-v0_5-llama-3_2-1b-GGUF",
        "Llama-3.2-1B-Instruct-{Q4_K_M 808M, Q8_0 1.3G}.gguf; "
        "mmproj-ultravox-v0_5-llama-3_2-1b-f16.gguf 1.3G",
        "",
        "Llama-3.2-1B-Instruct-Q4_K_M.gguf; mmproj-ultravox-v0_5-llama-3_2-1b-f16.gguf",
        "named otherwise, and still the only projector",
    ),
    # vae and codec
    Entry(
        "city96/FLUX.1-dev-gguf",
        "flux1-dev-{F16 23.8G, Q2_K 4G, Q4_0 6.8G, Q4_K_S 6.8G, Q5_K_S 8.3G, Q8_0 12.7G}.gguf",
        "",
        "flux1-dev-Q4_K_S.gguf",
        "first of what there is; the vae is in another repository",
    ),
    Entry(
        "QuantStack/Qwen-Image-Edit-GGUF",
        "Qwen_Image_Edit-{Q2_K 7.1G, Q4_K_M 13.1G, Q8_0 21.8G}.gguf; VAE/Qwen_Image-VAE.safetensors 254M",
        "",
        "Qwen_Image_Edit-Q4_K_M.gguf; VAE/Qwen_Image-VAE.safetensors",
        "the model makes no image without its vae",
    ),
    Entry(
        "QuantStack/Qwen-Image-Edit-GGUF",
        "Qwen_Image_Edit-{Q2_K 7.1G, Q4_K_M 13.1G, Q8_0 21.8G}.gguf; VAE/Qwen_Image-VAE.safetensors 254M",
        "--budget 7Gi",
        "Qwen_Image_Edit-Q2_K.gguf; VAE/Qwen_Image-VAE.safetensors",
        "the vae counts against the budget",
    ),
    Entry(
        "QuantStack/Wan2.2-T2V-A14B-GGUF",
        _WAN,
        "",
        "refused: say which of the 2 models you want",
        "two experts of one film; pulled one after the other",
    ),
    Entry(
        "QuantStack/Wan2.2-T2V-A14B-GGUF",
        _WAN,
        ":Wan2.2-T2V-A14B-LowNoise-Q4_K_M.gguf",
        "LowNoise/Wan2.2-T2V-A14B-LowNoise-Q4_K_M.gguf; VAE/Wan2.1_VAE.safetensors",
        "asked for by its file, with the vae",
    ),
    Entry(
        "koboldcpp/tts",
        "OuteTTS-0.2-500M-Q4_0.gguf 350M; Qwen3-TTS-12Hz-1.7B-Base-q8_0.gguf 2G; "
        "WavTokenizer-Large-75-Q4_0.gguf 60M; qwen3-tts-tokenizer-q8_0.gguf 180M",
        ":OuteTTS-0.2-500M-Q4_0",
        "OuteTTS-0.2-500M-Q4_0.gguf",
        "two codecs, neither named after the model: nobody guesses, and a notice names both",
    ),
    Entry(
        "ggml-org/WavTokenizer",
        "WavTokenizer-Large-75-{F16 124M, Q5_1 73M}.gguf",
        "",
        "WavTokenizer-Large-75-Q5_1.gguf",
        "here the codec is what the repository is about",
    ),
    # formats
    Entry(
        "openai-community/gpt2",
        _GPT2,
        "",
        "model.safetensors",
        "six formats of one model; safetensors is the first in the order",
    ),
    Entry(
        "openai-community/gpt2",
        _GPT2,
        "--format onnx",
        "onnx/decoder_{model, model_merged, with_past_model}.onnx",
        "asked for, with the settings in its folder",
    ),
    Entry(
        "openai-community/gpt2",
        _GPT2,
        "--format gguf",
        "refused: it is not there as gguf",
        "the error lists the formats there are",
    ),
    Entry(
        "openai/whisper-large-v3",
        _WHISPER,
        "",
        "model.safetensors",
        "the fp32 files are the same weights at twice the size",
    ),
    Entry(
        "openai/whisper-large-v3",
        _WHISPER,
        "--format flax",
        "flax_model.msgpack",
        "asked for",
    ),
    Entry(
        "meta-llama/Llama-3.1-8B-Instruct",
        _LLAMA31,
        "",
        "model-#4.safetensors",
        "original/ holds the same weights again",
    ),
    Entry(
        "meta-llama/Llama-3.1-8B-Instruct",
        _LLAMA31,
        "--format original",
        "original/consolidated.00.pth",
        "asked for, with params.json and the tokenizer in its folder",
    ),
    Entry(
        "meta-llama/Llama-3.1-8B-Instruct",
        _LLAMA31,
        "--budget 8Gi",
        "refused: the files take 15.0 GiB, and the budget is 8.0 GiB",
        "a budget that cannot be kept is not ignored",
    ),
    Entry(
        "mistralai/Mistral-7B-Instruct-v0.3",
        "consolidated.safetensors 14.5G; model-#3.safetensors 14.5G; model.safetensors.index.json; "
        "params.json; "
        "tokenizer.model.v3; config.json",
        "",
        "model-#3.safetensors",
        "consolidated is the same weights in the layout of the authors",
    ),
    Entry(
        "mistralai/Pixtral-12B-2409",
        "consolidated.safetensors 25.4G; params.json; tekken.json",
        "",
        "consolidated.safetensors",
        "the layout of the authors is the only one",
    ),
    Entry(
        "openai/gpt-oss-20b",
        "metal/model.bin 13.8G; model-{00000, 00001, 00002}-of-00002.safetensors 4.6G; "
        "original/model.safetensors 13.8G; "
        "original/config.json; model.safetensors.index.json; config.json",
        "",
        "model-{00000, 00001, 00002}-of-00002.safetensors",
        "three files that count from 0 to 2; metal/ and original/ are other layouts",
    ),
    Entry(
        "google-bert/bert-base-uncased",
        "coreml/fill-mask/float32_model.mlpackage/{Manifest.json, "
        "Data/com.apple.CoreML/weights/weight.bin 532M}; "
        "flax_model.msgpack 438M; model.onnx 532M; model.safetensors 440M; pytorch_model.bin 440M; "
        "rust_model.ot 535M; "
        "tf_model.h5 536M; config.json; vocab.txt",
        "",
        "model.safetensors",
        "seven formats of one model",
    ),
    Entry(
        "sentence-transformers/all-MiniLM-L6-v2",
        _MINILM,
        "",
        "model.safetensors",
        "with 1_Pooling/, which belongs to no format",
    ),
    Entry(
        "sentence-transformers/all-MiniLM-L6-v2",
        _MINILM,
        "--format onnx",
        "onnx/model.onnx",
        "what is optimized or quantized stands beside the plain file; --include takes it",
    ),
    Entry(
        "sentence-transformers/all-MiniLM-L6-v2",
        _MINILM,
        "--format openvino",
        "openvino/openvino_model.{bin, xml}",
        "two files are one model",
    ),
    Entry(
        "onnx-community/Qwen2.5-0.5B-Instruct",
        "onnx/model{ 2G, _bnb4 460M, _fp16 990M, _int8 500M, _q4 790M, _q4f16 480M, _quantized 500M, "
        "_uint8 500M}.onnx; "
        "config.json; tokenizer.json",
        "",
        "onnx/model.onnx",
        "one precision, not all eight",
    ),
    Entry(
        "BAAI/bge-m3",
        "colbert_linear.pt 2M; sparse_linear.pt; onnx/model.onnx 725k; onnx/model.onnx_data 2.3G; "
        "pytorch_model.bin 2.3G; "
        "1_Pooling/config.json; modules.json; config.json",
        "",
        "pytorch_model.bin; colbert_linear.pt; sparse_linear.pt",
        "no safetensors: the pickle with its two heads",
    ),
    Entry(
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "safety_checker/model{, .fp16}.safetensors 1.2G; safety_checker/pytorch_model{, .fp16}.bin 1.2G; "
        "text_encoder/model{, .fp16}.safetensors 492M; text_encoder/pytorch_model{, .fp16}.bin 492M; "
        "unet/diffusion_pytorch_model{, .fp16, .non_ema}.safetensors 3.4G; "
        "unet/diffusion_pytorch_model{, .fp16, .non_ema}.bin 3.4G; "
        "vae/diffusion_pytorch_model{, .fp16}.safetensors 335M; vae/diffusion_pytorch_model{, "
        ".fp16}.bin 335M; "
        "v1-5-pruned{.ckpt, .safetensors, -emaonly.ckpt, -emaonly.safetensors} 7.7G; model_index.json",
        "",
        "{safety_checker, text_encoder}/model.safetensors; {unet, vae}/diffusion_pytorch_model.safetensors",
        "the parts once, at their plain precision, without the checkpoints beside them",
    ),
    Entry(
        "stabilityai/stable-diffusion-xl-base-1.0",
        "sd_xl_base_1.0{, _0.9vae}.safetensors 6.9G; sd_xl_offset_example-lora_1.0.safetensors 50M; "
        "text_encoder/model{, .fp16}.safetensors 492M; text_encoder/model.onnx 492M; "
        "text_encoder/flax_model.msgpack 492M; "
        "text_encoder_2/model{, .fp16}.safetensors 2.8G; text_encoder_2/model.{onnx, onnx_data} 2.8G; "
        "unet/diffusion_pytorch_model{, .fp16}.safetensors 10.3G; unet/model.{onnx, onnx_data} 10.3G; "
        "vae/diffusion_pytorch_model{, .fp16}.safetensors 335M; vae_decoder/{config.json, "
        "model.onnx 198M}; model_index.json",
        "",
        "{text_encoder, text_encoder_2}/model.safetensors; {unet, vae}/diffusion_pytorch_model.safetensors",
        "the parts once; vae_decoder/ is part of the onnx export",
    ),
    Entry(
        "black-forest-labs/FLUX.1-dev",
        "ae.safetensors 335M; flux1-dev.safetensors 23.8G; text_encoder/model.safetensors 246M; "
        "text_encoder_2/model-#2.safetensors 9.5G; transformer/diffusion_pytorch_model-#3.safetensors "
        "23.8G; "
        "vae/diffusion_pytorch_model.safetensors 168M; model_index.json",
        "",
        "text_encoder/model.safetensors; text_encoder_2/model-#2.safetensors; "
        "transformer/diffusion_pytorch_model-#3.safetensors; vae/diffusion_pytorch_model.safetensors",
        "the parts that model_index.json names; the checkpoint is the transformer again",
    ),
    Entry(
        "stabilityai/stablelm-2-zephyr-1_6b",
        _STABLELM,
        "",
        "model.safetensors",
        "the name says no GGUF; the notice says there is one",
    ),
    Entry(
        "stabilityai/stablelm-2-zephyr-1_6b",
        _STABLELM,
        ":Q5_K_M",
        "stablelm-2-zephyr-1_6b-Q5_K_M.gguf",
        "a quantization means GGUF",
    ),
    Entry(
        "google/gemma-2b",
        _GEMMA2B,
        "",
        "model-#2.safetensors",
        "one .gguf beside the model is not the model's format",
    ),
    Entry(
        "google/gemma-2b",
        _GEMMA2B,
        "--format gguf",
        "gemma-2b.gguf",
        "asked for",
    ),
    Entry(
        "Systran/faster-whisper-large-v3",
        "model.bin 3.1G; {config, tokenizer, vocabulary, preprocessor_config}.json",
        "",
        "model.bin",
        "the only weights there are, of CTranslate2",
    ),
    Entry(
        "hexgrad/Kokoro-82M",
        "kokoro-v1_0.pth 327M; voices/{af_heart, am_adam}.pt 523k; config.json",
        "",
        "kokoro-v1_0.pth; voices/{af_heart, am_adam}.pt",
        "all pickles: the voices are part of it",
    ),
    Entry(
        "mlx-community/Llama-3.2-1B-Instruct-4bit",
        "model.safetensors 695M; model.safetensors.index.json; config.json; tokenizer.json",
        "",
        "model.safetensors",
        "the only weights there are",
    ),
    Entry(
        "facebook/opt-125m",
        "flax_model.msgpack 250M; pytorch_model.bin 251M; tf_model.h5 501M; config.json; merges.txt; "
        "vocab.json",
        "",
        "pytorch_model.bin",
        "no safetensors: the pickle goes before flax and tensorflow",
    ),
    Entry(
        "EleutherAI/gpt-neox-20b",
        "model-#46.safetensors 41G; pytorch_model-#46.bin 41G; model.safetensors.index.json; "
        "pytorch_model.bin.index.json; config.json",
        "",
        "model-#46.safetensors",
        "all 46 shards, once",
    ),
    Entry(
        "google-t5/t5-small",
        "flax_model.msgpack 242M; model.safetensors 242M; onnx/decoder_model.onnx 232M; "
        "onnx/encoder_model.onnx 141M; "
        "pytorch_model.bin 242M; rust_model.ot 242M; tf_model.h5 242M; spiece.model; config.json",
        "--format tensorflow",
        "tf_model.h5",
        "asked for",
    ),
    Entry(
        "Helsinki-NLP/opus-mt-en-de",
        "flax_model.msgpack 297M; pytorch_model.bin 298M; rust_model.ot 302M; tf_model.h5 298M; "
        "source.spm; target.spm; "
        "config.json; vocab.json",
        "",
        "pytorch_model.bin",
        "with both tokenizers, which belong to no format",
    ),
    Entry(
        "tloen/alpaca-lora-7b",
        "adapter_model.bin 67M; adapter_config.json",
        "",
        "adapter_model.bin",
        "an adapter is what this repository is about",
    ),
    Entry(
        "timm/resnet50.a1_in1k",
        "model.safetensors 102M; pytorch_model.bin 102M; config.json",
        "--format pytorch",
        "pytorch_model.bin",
        "asked for",
    ),
    Entry(
        "Xenova/all-MiniLM-L6-v2",
        "onnx/model{ 90M, _fp16 45M, _quantized 23M}.onnx; config.json; tokenizer.json",
        "",
        "onnx/model.onnx",
        "the plain one; --include 'onnx/model_quantized.onnx' takes another",
    ),
    # GGML
    Entry(
        "ggerganov/whisper.cpp",
        _WHISPER_CPP,
        "",
        "refused: say which of the 2 models you want",
        "a shelf of models, and two at the label that would go first",
    ),
    Entry(
        "ggerganov/whisper.cpp",
        _WHISPER_CPP,
        ":ggml-base.en.bin",
        "ggml-base.en.bin",
        "asked for by its file",
    ),
    Entry(
        "TheBloke/Llama-2-7B-Chat-GGML",
        "llama-2-7b-chat.ggmlv3.{q2_K 2.9G, q4_0 3.8G, q4_K_M 4.1G, q8_0 7.2G}.bin",
        "",
        "llama-2-7b-chat.ggmlv3.q4_K_M.bin",
        "the format before GGUF is chosen from likewise",
    ),
]

if __name__ == "__main__":
    sys.stdout.write(rendered() + "\n")
