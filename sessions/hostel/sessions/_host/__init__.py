"""The host: the verbs, and what happens behind them.

body         how the end of a body becomes the end of its task
context      what a body knows of its own task
heartbeats   who has to be heard of by when
open_host    what a host has while it is open, and every change of a task
run          one managed task from its start to its end
cancel       requests to stop, and insisting on them
barrier      hidden tasks, and who is told of their failures
restart      what a journal keeps for running a task again
resumption   what becomes of tasks that an earlier host has left
shutdown     closing a session, stopping a host
handle       what a starter holds
host         the verbs"""
