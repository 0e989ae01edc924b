"""What the running loop gives a host, asyncio and trio alike.

current    the context variable that says which task runs here
spawner    starts code natively, counts it, joins it
threads    sync code in worker threads, at most 64 at once
calling    what a body may be, and how each of it is awaited
portal     the way to a host from other threads"""
