"""Journals: what keeps the events of a host beyond its life. `hostel.sessions.journal` shows what is public.

protocol   what a journal is, and what travels to and from one
feed       the way of a host's events into a journal: group commit, retries, receipts
schema     the tables of the SQLite journal and its statements, the states' table repeated in them
file       the file: locks, connections, migrations, errors translated
queries    what is asked of it: live tasks, finished ones, sessions, one value
sqlite     the journal of a host
view       one consistent look at a file that somebody else writes
reader     reading and following such a file
rescue     reading what is left of a damaged file
salvage    making a whole journal of that"""
