"""The database below a store.

transactions  functions of a connection, run in worker threads
migrate       an older schema brought up to date
rows          rows read as records
dialect       everything in which SQLite and PostgreSQL differ
schema        the tables
clock         the time of a database server
"""
