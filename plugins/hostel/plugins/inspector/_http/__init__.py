"""HTTP/1.1 as this server takes it: stricter than the library that reads it, so that a proxy in front of the
server and the server itself never see two different requests in the same bytes.

heads   the head of a request: its lines, its target, how its body is framed
chunks  a chunked body, read along
unfit   what is no request
"""
