"""Which files of a repository a pull takes.

Imports point down this list:

    files         what a repository offers, and the files that one choice amounts to
    companions    the projector, vae and codec that come with a model
    formats       in which format the weights are, and which one is taken
    quantization  which quantization, and why
    nearest       which option a user means who did not name it exactly
    gguf_names    what the names of GGUF files say
    safe_paths    names that may be written
"""
