"""Asking for bytes over a network, or of a file of this machine.

Imports point down this list:

    redirects   one remote file, whatever redirects stand before it
    local       one local file in its place
    proxy       a connection through a proxy: httpx
    http1       a plain connection: http.client over a socket of our own
    connection  what a connection is, and the choice between those two
    response    what the head of an answer says, read without trust
"""
