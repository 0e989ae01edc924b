"""All tasks of a host and what it knows of each.

cancel_hooks    calling a stranger's code that stops an external task
entry           one task: its record and what lives only in this process
hidden          the hidden tasks of one session, and the barrier that waits for them
session_tasks   the tasks of one session
family          parents and children
index           tasks by number of arrival, for pages
listing         lists and pages from memory and journal together
table           all of them, and the one place where a change becomes an event"""
