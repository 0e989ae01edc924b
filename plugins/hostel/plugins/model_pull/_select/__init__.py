"""Which files of a repository a pull takes.

Imports point down this list:

    files         the files of a choice, or of patterns, and the projector beside them
    quantization  which quantization, and why
    gguf_names    what the names of GGUF files say
    safe_paths    names that may be written
"""
