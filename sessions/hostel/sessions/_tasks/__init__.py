"""All tasks of a host and what it knows of each. Imports point down this list.

lists           lists, pages and sessions at a glance
table           all of them, and the one place where a change becomes an event
listing         lists and pages from memory and journal together
index           tasks by number of arrival, for pages
inboxes         what consumers of sessions have not read, without a journal
family          parents and children
session_tasks   the tasks of one session
hidden          the hidden tasks of one session, and the barrier that waits for them
entry           one task: its record and what lives only in this process
cancel_hooks    calling a stranger's code that stops an external task
"""
