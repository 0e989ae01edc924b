"""A store of batches on SQLAlchemy Core: SQLite in a file, or PostgreSQL for many machines.

protocol          what a store does, as its callers know it
store             the store: each verb as one or several transactions
batches           batches made, found, stopped, expired
results           what became of each line of a batch
files             files of requests and of results
claims            which requests a daemon may send next
daemons           the daemons and their heartbeats
escalations       a second request for a line that is late
updates           changes asked for by daemons and owners: reports, cancellations, retries
transitions       changes of state, written in groups
transition_rules  which change is legal, and what else it changes
counters          counts of lines by batch and by model
pages             streams in bounded pieces
group_commit      many callers, one transaction
database/         the database below: transactions, tables, dialects
"""
