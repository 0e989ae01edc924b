"""Plugins: found, read, checked, called; whatever they do wrong becomes a sentence.

Imports point down this list.

registry   the plugins of one runtime
calling    the one way into a plugin's code
loading    which plugins there are, and what each brings
apart      running a stranger's code in a task or a thread of its own
hooks      what a hook is and what its answers must be
outcome    what code of a stranger came to: an answer, or what it did wrong
"""
