"""The events of a host: one list, many cursors.

session_events   what is kept of one session's events, and how much was lost
waiters          who waits for the next event, by filter
gaps             what is gone of a stretch that is read back from a journal
log              the list itself: takes events in, shows them, gives way when it is too much
cursor           a subscription: what its reader gets next, and what it has missed"""
