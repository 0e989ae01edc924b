"""What sends requests: claims them from a store, sends them, reports what came back.

daemon       the loop: claim, send, report, give back
outcome      what a reply means for its request
retry        whether and when a failed attempt is made again
sender       a request over HTTP, a reply
connections  open connections by origin, proxies
http1        one connection that speaks HTTP/1.1
"""
