"""Files and batches as OpenAI's clients ask for them, below `/v1`.

mount        what answers at `/v1` of an inspector's server, or says why nothing does
app          the application: its routes, uploads, downloads, errors
description  what is below `/v1`, as OpenAPI has it
"""
