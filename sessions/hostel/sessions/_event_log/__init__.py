"""The events of a host: one list, many cursors. Imports point down this list.

cursor           a subscription: what its reader gets next, and what it has missed
log              the list itself: takes events in, shows them, gives way when it is too much
gaps             what is gone of a stretch that is read back from a journal
waiters          who waits for the next event, by filter
session_events   what is kept of one session's events, and how much was lost
"""
