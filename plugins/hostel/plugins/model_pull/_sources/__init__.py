"""Where models come from.

Imports point down this list:

    base         what a source is, and which one a reference is for
    hub          the Hugging Face Hub
    url          a plain URL
    folder       a folder or file of this machine
    reference    how a model is named
    remote_file  what a source says about one file
    secrets      what in a URL is a secret
"""
