"""What passes between a task and whoever looks at it. Imports point down this list.

inbox      what happened in a session, told until it is acknowledged
notice     one thing told
asking     a task that asks, and its answer
mailbox    what a task is sent
"""
