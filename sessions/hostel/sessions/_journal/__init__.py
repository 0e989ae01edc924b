"""Journals: what keeps the events of a host beyond its life. `hostel.sessions.journal` shows what is public.

Imports point down this list.

salvage    making a whole journal of what is left of a damaged one
reader     reading and following such a file
view       one consistent look at a file that somebody else writes
sqlite     the journal of a host
rescue     reading what is left of a damaged file
unread     what of it inboxes live on
queries    what is asked of it: live tasks, finished ones, sessions, one value
selects    which tasks are asked for, as statements
file       the file: locks, connections, migrations, errors translated
schema     the tables of the SQLite journal and its statements, the states' table repeated in them
writer     the way of a host's events into a journal: group commit, retries, receipts
protocol   what a journal is, and what travels to and from one
"""
