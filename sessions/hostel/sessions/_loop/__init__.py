"""What the running loop gives a host, asyncio and trio alike. Imports point down this list.

portal     the way to a host from other threads
threads    sync code in worker threads, at most 64 at once
calling    what a body may be, and how each of it is awaited
spawner    starts code natively, counts it, joins it
current    the context variable that says which task runs here
"""
